"""The image as one tar: the same files give the same octets. Knows no Docker."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final

from weave_cli.images.collect import FileTree
from weave_cli.names import STATE_DIRECTORY, SYSCTL_NET_MOUNT

_DIRECTORIES: Final = {
    "/run": 0o755, "/tmp": 0o1777, "/etc": 0o755, "/proc": 0o755, "/sys": 0o755, "/dev": 0o755,
    STATE_DIRECTORY: 0o700, SYSCTL_NET_MOUNT: 0o755, "/weave/host": 0o755, "/run/docker/plugins": 0o755,
}  # fmt: skip
_TEXTS: Final = {
    "/etc/passwd": "root:x:0:0:root:/:/sbin/nologin\n",
    "/etc/group": "root:x:0:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}
_PYC_HEADER_SIZE: Final = 16
#: Flag of a .pyc that is never compared with its source (PEP 552), as image files have no meaningful times.
_UNCHECKED_HASH: Final = (1).to_bytes(4, "little")


def write_tar(tree: FileTree, out: IO[bytes], on_progress: Callable[[int, int], None]) -> None:
    """All of the tree; on_progress(files done, files in all)."""
    stripped = _StrippedObjects(
        path for path in tree.files.values() if ".so" in path.suffixes or "bin" in path.parts
    )
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar, stripped:
        for name, mode in sorted(_DIRECTORIES.items()):
            _add(tar, name, tarfile.DIRTYPE, mode)
        for name, text in _TEXTS.items():
            _add(tar, name, tarfile.REGTYPE, 0o644, text.encode())
        for target, link in sorted(tree.links.items()):
            _add(tar, str(target), tarfile.SYMTYPE, 0o777, link=link)
        for number, (target, source) in enumerate(sorted(tree.files.items()), 1):
            data = stripped.read(source)
            executable = source.stat().st_mode & 0o111
            _add(tar, str(target), tarfile.REGTYPE, 0o755 if executable else 0o644, data)
            if target.suffix == ".py":
                _add_compiled(tar, target, source, data)
            on_progress(number, len(tree.files))


def _add(tar: tarfile.TarFile, name: str, kind: bytes, mode: int, data: bytes = b"", link: str = "") -> None:
    member = tarfile.TarInfo(name.lstrip("/"))
    member.type, member.mode, member.linkname, member.size = kind, mode, link, len(data)
    tar.addfile(member, io.BytesIO(data))


def _add_compiled(tar: tarfile.TarFile, target: Path, source: Path, text: bytes) -> None:
    """The compiled form beside a source, from the host's cache if that is current."""
    code = _cached_code(source)
    if code is None:
        import marshal

        try:
            compiled = compile(text, str(target), "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return  # templates and test data that only look like Python
        code = marshal.dumps(compiled)
    header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + b"\0" * 8
    _add(tar, importlib.util.cache_from_source(str(target)), tarfile.REGTYPE, 0o644, header + code)


def _cached_code(source: Path) -> bytes | None:
    """The code of the host's .pyc, when it is of this very source (PEP 552: magic, flags, time, size)."""
    try:
        cached = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    except (OSError, NotImplementedError):
        return None
    status = source.stat()
    expected = (
        importlib.util.MAGIC_NUMBER
        + b"\0" * 4
        + (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little")
        + (status.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    )
    return cached[_PYC_HEADER_SIZE:] if cached[:_PYC_HEADER_SIZE] == expected else None


class _StrippedObjects:
    """Shared objects without their symbols, where the host has `strip`: a third of the image."""

    def __init__(self, objects: Iterable[Path]) -> None:
        self._objects = sorted(set(objects))
        self._copies: dict[Path, Path] = {}
        self._directory = tempfile.TemporaryDirectory(prefix="weave-image-")

    def __enter__(self) -> _StrippedObjects:
        for number, path in enumerate(self._objects):
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    copy = Path(self._directory.name) / str(number)
                    copy.write_bytes(path.read_bytes())
                    self._copies[path] = copy
        try:
            subprocess.run(
                ["strip", "--strip-unneeded", *map(str, self._copies.values())],
                capture_output=True,
                check=False,
            )
        except OSError:
            pass  # no binutils: the image is larger
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()

    def read(self, path: Path) -> bytes:
        copy = self._copies.get(path)
        return (copy if copy and os.path.getsize(copy) else path).read_bytes()
