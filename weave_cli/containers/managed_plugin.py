"""Make, enable, disable and remove the managed plugin. Every act may be repeated; nothing is pulled.

Docker takes it as a tar of `config.json` and `rootfs/`. The latter is what Docker itself says is in our
image, so that it can be made wherever the image is.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, cast

from docker.errors import APIError, NotFound

from weave_cli import __version__
from weave_cli.containers.client import Docker, translated
from weave_cli.containers.managed_spec import ManagedPlugin, read_managed
from weave_cli.names import COMPONENT_LABEL, LABEL, SWARM_DRIVER

#: Docker's limit for one call to it, in seconds; ours are over after ten (plugin.server).
_CALL_LIMIT_S: Final = 30
#: Of the container that is exported: one that a kill of ours leaves is known by them (lost_helpers).
_LABELS: Final = {LABEL: __version__, COMPONENT_LABEL: "helper"}
_PIECE_SIZE: Final = 1 << 20
#: What Docker puts into every container; and what it mounts over.
_NOT_OURS: Final = frozenset({".dockerenv", "dev/console", "dev/pts", "dev/shm"})


def find_managed(client: Docker) -> ManagedPlugin | None:
    """The plugin of our name, or None."""
    with translated(f"inspect plugin {SWARM_DRIVER}"):
        try:
            facts = cast("Any", client.api).inspect_plugin(SWARM_DRIVER)
        except NotFound:
            return None
    return read_managed(facts)


def create_managed(client: Docker, config: Mapping[str, Any], *, image: str) -> None:
    """Make it out of the image, disabled. Takes some seconds."""
    with translated(f"make plugin {SWARM_DRIVER}"):
        container: str = client.api.create_container(image, command=["true"], labels=_LABELS)["Id"]
        try:
            exported = cast("Iterator[bytes]", client.api.export(container, chunk_size=_PIECE_SIZE))
            # The SDK has a call for directories only.
            api = cast("Any", client.api)
            answer = api._post(
                api._url("/plugins/create"),
                params={"name": SWARM_DRIVER},
                data=pack_plugin(config, exported),
                headers={"Content-Type": "application/x-tar"},
            )
            api._raise_for_status(answer)
        finally:
            with suppress(NotFound):
                client.api.remove_container(container, force=True)


def enable_managed(client: Docker) -> None:
    """Start it; returns when it listens. Raises DockerProblem with what Docker says."""
    with translated(f"enable plugin {SWARM_DRIVER}"):
        try:
            client.api.enable_plugin(SWARM_DRIVER, timeout=_CALL_LIMIT_S)
        except APIError as problem:
            if "already enabled" not in str(problem.explanation):
                raise


def disable_managed(client: Docker) -> None:
    """Stop it, also when networks use it; no error when it is disabled, or gone."""
    with translated(f"disable plugin {SWARM_DRIVER}"):
        try:
            client.api.disable_plugin(SWARM_DRIVER, force=True)
        except NotFound:
            return
        except APIError as problem:
            if "already disabled" not in str(problem.explanation):
                raise


def remove_managed(client: Docker) -> None:
    """Remove it, enabled or not; no error when it is gone."""
    with translated(f"remove plugin {SWARM_DRIVER}"), suppress(NotFound):
        client.api.remove_plugin(SWARM_DRIVER, force=True)


def pack_plugin(config: Mapping[str, Any], exported: Iterator[bytes]) -> Iterator[bytes]:
    """The tar that Docker makes a plugin from; exported: a root file system as a tar; both in pieces."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w|", format=tarfile.PAX_FORMAT) as packed:
        text = json.dumps(config).encode()
        entry = tarfile.TarInfo("config.json")
        entry.size, entry.mode = len(text), 0o644
        packed.addfile(entry, io.BytesIO(text))
        root = tarfile.TarInfo("rootfs")
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        packed.addfile(root)
        with tarfile.open(fileobj=_Pieces(exported), mode="r|") as files:
            for member in files:
                name = member.name.strip("/")
                if not name or name in _NOT_OURS:
                    continue
                content = files.extractfile(member) if member.isreg() else None
                packed.addfile(_moved(member, name), content)
                if written.tell() >= _PIECE_SIZE:
                    yield _take(written)
    yield _take(written)


def _moved(member: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    linkname = f"rootfs/{member.linkname.strip('/')}" if member.islnk() else member.linkname
    return member.replace(name=f"rootfs/{name}", linkname=linkname, deep=False)


def _take(written: io.BytesIO) -> bytes:
    """What was written since the last time."""
    taken = written.getvalue()
    written.seek(0)
    written.truncate()
    return taken


class _Pieces(io.RawIOBase):
    """Octets that come in pieces, as a file to be read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, wanted = [], size
        while wanted:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            taken = self._rest if size < 0 else self._rest[:wanted]
            self._rest = self._rest[len(taken) :]
            parts.append(taken)
            wanted -= len(taken) if size >= 0 else 0
        return b"".join(parts)
