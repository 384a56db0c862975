"""Make, start, stop and remove our containers and their volume. Every act may be repeated.

Everything made here carries our labels, so that all of it can be found again.
"""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress
from typing import Any, Final

from docker.errors import APIError, NotFound
from docker.types import LogConfig
from docker.types import Mount as DockerMount
from docker.utils import version_lt

from weave_cli import __version__
from weave_cli.containers.client import Docker, translated
from weave_cli.containers.extra_options import add_to_host_config
from weave_cli.containers.specs import LOG_LIMITS, ContainerSpec, Mount, SecretFile
from weave_cli.error_codes import Code, ExitStatus
from weave_cli.errors import DockerProblem
from weave_cli.names import LABEL, STATE_VOLUME

#: How long a container has to end by itself, in seconds (specification cli, section 15).
STOP_GRACE_S: Final = 10

_CONFLICT: Final = 409
#: The version of Docker's API (engine 19.03) that knows binds without what is mounted below.
_SHALLOW_SINCE: Final = "1.40"


class NameTaken(DockerProblem):
    """A container that is not ours has the name of one of ours."""

    exit_status = ExitStatus.NOT_RUNNING
    code = Code.NAME_TAKEN


class AlreadyRunning(DockerProblem):
    """What was to be launched is there."""

    code = Code.ALREADY_RUNNING


class Restarting(DockerProblem):
    """What was to be launched is there, and Docker restarts it."""

    exit_status = ExitStatus.RESTARTING
    code = Code.RESTARTING


def create_container(client: Docker, spec: ContainerSpec) -> str:
    """Create, not start, with its secret files in it; answers the full id."""
    create_volumes(client, spec)
    with translated(f"create container {spec.name}"):
        host_config = client.api.create_host_config(
            network_mode="host",
            pid_mode="host" if spec.sees_host else None,
            userns_mode="host" if spec.sees_host else None,
            # A profile would keep it out of containers, and away from Docker's socket.
            security_opt=["apparmor=unconfined", "label=disable"] if spec.sees_host else None,
            restart_policy={"Name": "always" if spec.restarts else "no", "MaximumRetryCount": 0},
            cap_drop=["ALL"],
            cap_add=list(spec.capabilities),
            devices=[f"{device}:{device}:rwm" for device in spec.devices],
            binds=[str(mount) for mount in spec.mounts if not mount.is_shallow],
            mounts=[_shallow(client, mount) for mount in spec.mounts if mount.is_shallow],
            log_config=LogConfig(type=LogConfig.types.JSON, config=LOG_LIMITS),
        )
        add_to_host_config(host_config, spec.extra)
        answer: dict[str, Any] = client.api.create_container(
            spec.image,
            command=list(spec.command),
            name=spec.name,
            labels={**spec.extra.labels, **spec.labels},
            environment={**dict(spec.environment), **spec.extra.environment},
            host_config=host_config,
        )
        container_id = str(answer["Id"])
        for file in spec.secret_files:
            directory = file.path.rpartition("/")[0]
            client.api.put_archive(container_id, directory or "/", _packed(file))
        return container_id


def create_volumes(client: Docker, spec: ContainerSpec) -> None:
    """Those that the container has; what is there stays."""
    with translated(f"create volume {', '.join(spec.volumes)}"):
        for volume in spec.volumes:
            client.api.create_volume(volume, labels={LABEL: __version__})


def start_container(client: Docker, container_id: str, *, name: str) -> None:
    """Start; raises DockerProblem with what Docker says."""
    with translated(f"start container {name}"):
        client.api.start(container_id)


def restart_container(client: Docker, container_id: str) -> None:
    """Stop and start it."""
    with translated(f"restart container {container_id}"):
        client.api.restart(container_id, timeout=STOP_GRACE_S)


def stop_container(client: Docker, name: str) -> None:
    """Ask it to end, kill it after the grace; no error when it is gone or stopped already."""
    with translated(f"stop container {name}"), suppress(NotFound):
        client.api.stop(name, timeout=STOP_GRACE_S)


def kill_container(client: Docker, container_id: str) -> None:
    """End it at once; no error when it is gone or has ended."""
    with translated(f"kill container {container_id}"), suppress(NotFound):
        try:
            client.api.kill(container_id)
        except APIError as problem:
            if problem.status_code != _CONFLICT:  # that says: it is not running
                raise


def remove_container(client: Docker, name_or_id: str) -> None:
    """Remove it, killing it if need be; no error when it is gone, or going."""
    with translated(f"remove container {name_or_id}"):
        try:
            client.api.remove_container(name_or_id, force=True, v=True)
        except NotFound:
            return
        except APIError as problem:
            if problem.status_code != _CONFLICT or "already in progress" not in str(problem.explanation):
                raise


def ensure_volume(client: Docker, name: str) -> str:
    """Make the volume unless it is there; the host's path of what is in it."""
    with translated(f"create volume {name}"):
        made: dict[str, Any] = client.api.create_volume(name, labels={LABEL: __version__})
    return str(made["Mountpoint"])


def remove_volume(client: Docker, name: str = STATE_VOLUME) -> None:
    """Forget what the router and the plugin wrote down; no error when there is nothing."""
    with translated(f"remove volume {name}"), suppress(NotFound):
        client.api.remove_volume(name, force=True)


def remove_unused_volume(client: Docker, name: str) -> None:
    """The same of a volume that stays while containers have it."""
    with translated(f"remove volume {name}"), suppress(NotFound):
        try:
            client.api.remove_volume(name)
        except APIError as problem:
            if problem.status_code != _CONFLICT:
                raise


def has_volume(client: Docker, name: str = STATE_VOLUME) -> bool:
    """Is there state from an earlier launch?"""
    with translated(f"inspect volume {name}"):
        try:
            client.api.inspect_volume(name)
        except NotFound:
            return False
        return True


def _shallow(client: Docker, mount: Mount) -> DockerMount:
    """Without what is mounted below; where an engine knows no such thing, let go of that as the host does."""
    made = DockerMount(mount.target, mount.source, type="bind", read_only=mount.is_read_only)
    is_old = version_lt(client.api.api_version, _SHALLOW_SINCE)
    made["BindOptions"] = {"Propagation": "rslave"} if is_old else {"NonRecursive": True}
    return made


def _packed(file: SecretFile) -> bytes:
    """The file as a tar archive; nobody but root may read it, neither in the container nor below it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(file.path.rpartition("/")[2])
        entry.size, entry.mode = len(file.octets), 0o600
        archive.addfile(entry, io.BytesIO(file.octets))
    return packed.getvalue()
