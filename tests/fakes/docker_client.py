"""A Docker engine in memory, as far as our containers and networks need one: the SDK's low-level calls."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import requests
from docker.errors import APIError, NotFound

from weave_cli.containers.client import Docker
from weave_cli.names import LABEL


def refusal(explanation: str, status: int = 500) -> APIError:
    """What the SDK raises when the engine says no."""
    response = requests.Response()
    response.status_code = status
    return APIError(explanation, response=response, explanation=explanation)


@dataclass
class FakeContainer:
    """As the engine keeps it."""

    id: str
    name: str
    image: str
    command: list[str]
    labels: dict[str, str]
    host_config: dict[str, Any] = field(default_factory=dict)
    status: str = "created"
    pid: int = 0
    restart_count: int = 0
    log: str = ""
    networks: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """What was put into it: mode and octets by path."""
    hostname: str = ""
    domainname: str = ""
    created_at: float = 0.0
    hosts_path: str = ""
    member_of: str = ""
    """The id of the network that it goes to when it is started."""


@dataclass
class FakeNetwork:
    """As the engine keeps it; `attached` maps an endpoint's key to its name."""

    id: str
    name: str
    driver: str
    attached: dict[str, str] = field(default_factory=dict)


@dataclass
class FakePlugin:
    """A managed plugin as the engine keeps it: its config.json, and the paths of its root file system."""

    id: str
    config: dict[str, Any]
    files: tuple[str, ...] = ()
    is_enabled: bool = False


@dataclass
class FakeEngine:
    """The engine's state, and what was asked of it in order (`calls`)."""

    containers: dict[str, FakeContainer] = field(default_factory=dict)
    networks: dict[str, FakeNetwork] = field(default_factory=dict)
    volumes: set[str] = field(default_factory=set)
    plugins: dict[str, FakePlugin] = field(default_factory=dict)
    is_in_swarm: bool = False
    calls: list[str] = field(default_factory=list)
    pings: Iterator[bool] = field(default_factory=lambda: iter(()))
    """Whether it answers each time that it is asked; afterwards it does."""
    root_files: dict[str, bytes] = field(default_factory=dict)
    """The files of every container's image."""
    on_start: Callable[[FakeContainer], None] | None = None
    """What happens to a container that is started, beyond running."""

    @property
    def client(self) -> Docker:
        """What operations take for the SDK's client."""
        return cast(Docker, _Client(_Api(self)))

    def add_container(self, name: str, **facts: Any) -> FakeContainer:
        """A container made by somebody; with `labels`, perhaps by us."""
        made = FakeContainer(
            id=f"{len(self.containers) + 1:064x}",
            name=name,
            image=facts.pop("image", "busybox"),
            command=facts.pop("command", []),
            labels=facts.pop("labels", {}),
            **facts,
        )
        self.containers[name] = made
        return made

    def add_ours(self, name: str, **facts: Any) -> FakeContainer:
        """A container that an earlier launch made."""
        return self.add_container(name, labels={LABEL: "0.1.0"}, **{"status": "running", **facts})

    def add_network(self, name: str, driver: str, attached: Mapping[str, str] | None = None) -> FakeNetwork:
        made = FakeNetwork(id=f"network-{name}", name=name, driver=driver, attached=dict(attached or {}))
        self.networks[made.id] = made
        return made


@dataclass
class _Client:
    api: _Api


@dataclass
class _Api:
    engine: FakeEngine
    api_version: ClassVar[str] = "1.41"

    def ping(self) -> bool:
        return next(self.engine.pings, True)

    def inspect_container(self, key: str) -> dict[str, Any]:
        found = self._container(key)
        return {
            "Id": found.id,
            "Name": f"/{found.name}",
            "Image": "sha256:0",
            "RestartCount": found.restart_count,
            "State": {"Status": found.status, "Pid": found.pid},
            "HostsPath": found.hosts_path,
            "Config": {
                "Hostname": found.hostname,
                "Domainname": found.domainname,
                "Image": found.image,
                "Labels": found.labels,
                "Cmd": found.command,
                "Entrypoint": None,
            },
            "HostConfig": {"NetworkMode": found.host_config.get("NetworkMode", "default")},
        }

    def containers(
        self,
        *,
        all: bool = False,  # noqa: A002
        filters: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        key, _, value = (filters or {}).get("label", "").partition("=")
        return [
            {
                "Id": each.id,
                "Names": [f"/{each.name}"],
                "State": each.status,
                "Created": each.created_at,
                "NetworkSettings": {"Networks": {each.name: {"NetworkID": each.member_of}}},
            }
            for each in self.engine.containers.values()
            if (all or each.status == "running") and (not key or each.labels.get(key) == value)
        ]

    def logs(self, key: str, *, tail: int) -> bytes:
        return "\n".join(self._container(key).log.splitlines()[-tail:]).encode()

    def create_host_config(self, **words: Any) -> dict[str, Any]:
        return words

    def create_container(self, image: str, **words: Any) -> dict[str, Any]:
        name = words.get("name", "nameless")
        if name in self.engine.containers:
            raise refusal(f'Conflict. The container name "/{name}" is already in use', 409)
        made = self.engine.add_container(
            name,
            image=image,
            command=words["command"],
            labels=words.get("labels", {}),
            host_config=words.get("host_config", {}),
            environment=words.get("environment", {}),
        )
        self.engine.calls.append(f"create {made.name}")
        return {"Id": made.id}

    def put_archive(self, key: str, path: str, data: bytes) -> bool:
        found = self._container(key)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for entry in archive:
                octets = archive.extractfile(entry)
                assert octets is not None
                found.files[f"{path}/{entry.name}"] = (entry.mode, octets.read())
        return True

    def start(self, key: str) -> None:
        found = self._container(key)
        found.status, found.pid = "running", 4242
        self.engine.calls.append(f"start {found.name}")
        if self.engine.on_start:
            self.engine.on_start(found)

    def stop(self, key: str, *, timeout: int) -> None:
        found = self._container(key)
        found.status, found.pid = "exited", 0
        self.engine.calls.append(f"stop {found.name}")

    def restart(self, key: str, *, timeout: int) -> None:
        self.engine.calls.append(f"restart {self._container(key).name}")

    def kill(self, key: str) -> None:
        found = self._container(key)
        if found.status != "running":
            raise refusal(f"Container {key} is not running", 409)
        found.status, found.pid = "exited", 0
        self.engine.calls.append(f"kill {found.name}")

    def remove_container(self, key: str, *, force: bool, v: bool = False) -> None:
        found = self._container(key)
        del self.engine.containers[found.name]
        self.engine.calls.append(f"remove {found.name}")

    def create_volume(self, name: str, *, labels: Mapping[str, str]) -> dict[str, Any]:
        self.engine.volumes.add(name)
        return {"Name": name, "Mountpoint": f"/volumes/{name}/_data"}

    def inspect_volume(self, name: str) -> dict[str, Any]:
        if name not in self.engine.volumes:
            raise NotFound(f"no such volume: {name}")
        return {"Name": name}

    def remove_volume(self, name: str, *, force: bool = False) -> None:
        if name not in self.engine.volumes and not force:
            raise NotFound(f"no such volume: {name}")
        self.engine.volumes.discard(name)
        self.engine.calls.append(f"remove volume {name}")

    def networks(self) -> Sequence[dict[str, Any]]:
        return [{"Id": each.id, "Driver": each.driver} for each in self.engine.networks.values()]

    def inspect_network(self, key: str) -> dict[str, Any]:
        found = self._network(key)
        return {
            "Id": found.id,
            "Name": found.name,
            "Driver": found.driver,
            "Containers": {endpoint: {"Name": name} for endpoint, name in found.attached.items()},
        }

    def remove_network(self, key: str) -> None:
        found = self._network(key)
        if found.attached:
            raise refusal(f"error while removing network: network {found.name} has active endpoints", 403)
        del self.engine.networks[found.id]
        self.engine.calls.append(f"remove network {found.name}")

    def disconnect_container_from_network(self, container: str, key: str, *, force: bool) -> None:
        found = self._network(key)
        keys = [endpoint for endpoint, name in found.attached.items() if container in (endpoint, name)]
        if not keys:
            raise refusal(f"container {container} is not connected to network {found.name}", 403)
        del found.attached[keys[0]]
        self.engine.calls.append(f"disconnect {container}")

    def info(self) -> dict[str, Any]:
        return {"Swarm": {"LocalNodeState": "active" if self.engine.is_in_swarm else "inactive"}}

    def inspect_plugin(self, name: str) -> dict[str, Any]:
        found = self._plugin(name)
        return {
            "Id": found.id,
            "Name": name,
            "Enabled": found.is_enabled,
            "Config": {"Entrypoint": found.config["entrypoint"]},
            "Settings": {
                "Env": [f"{one['name']}={one['value']}" for one in found.config["env"]],
                "Mounts": [{"Source": one["source"]} for one in found.config["mounts"]],
            },
        }

    def enable_plugin(self, name: str, *, timeout: int) -> None:
        self._plugin(name).is_enabled = True
        self.engine.calls.append(f"enable {name}")

    def disable_plugin(self, name: str, *, force: bool) -> None:
        found = self._plugin(name)
        if not found.is_enabled:
            raise refusal(f"plugin {name} is already disabled")
        found.is_enabled = False
        self.engine.calls.append(f"disable {name}")

    def remove_plugin(self, name: str, *, force: bool) -> None:
        self._plugin(name)
        del self.engine.plugins[name]
        self.engine.calls.append(f"remove plugin {name}")

    def export(self, key: str, *, chunk_size: int) -> Iterator[bytes]:
        """The root file system of a container, in pieces that end anywhere."""
        octets = pack_files(self.engine.root_files)
        return (octets[start : start + 700] for start in range(0, len(octets), 700))

    def _url(self, path: str) -> str:
        return path

    def _post(
        self, url: str, *, params: Mapping[str, str], data: Iterator[bytes], headers: Mapping[str, str]
    ) -> None:
        assert url == "/plugins/create"
        if params["name"] in self.engine.plugins:
            raise refusal(f"plugin {params['name']} already exists", 409)
        with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as archive:
            config = archive.extractfile("config.json")
            assert config is not None
            self.engine.plugins[params["name"]] = FakePlugin(
                id=f"plugin-{len(self.engine.calls)}",
                config=json.loads(config.read()),
                files=tuple(archive.getnames()),
            )
        self.engine.calls.append(f"create plugin {params['name']}")

    def _raise_for_status(self, answer: None) -> None: ...

    def _plugin(self, name: str) -> FakePlugin:
        if name not in self.engine.plugins:
            raise NotFound(f"plugin {name} not found")
        return self.engine.plugins[name]

    def _container(self, key: str) -> FakeContainer:
        for each in self.engine.containers.values():
            if each.name == key or each.id.startswith(key):
                return each
        raise NotFound(f"No such container: {key}")

    def _network(self, key: str) -> FakeNetwork:
        for each in self.engine.networks.values():
            if key in (each.id, each.name):
                return each
        raise NotFound(f"network {key} not found")


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Files by path, as a tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, octets in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(octets)
            archive.addfile(entry, io.BytesIO(octets))
    return packed.getvalue()


def answer_quickly(engine: FakeEngine, path: str) -> tuple[int, Any]:
    """What the engine answers to those who ask it without the SDK (containers/engine_http.call)."""
    api = _Api(engine)
    if path == "/containers/json":
        return 200, api.containers()
    try:
        if path.startswith("/plugins/"):
            return 200, api.inspect_plugin(path.split("/")[2])
        return 200, api.inspect_container(path.split("/")[2])
    except NotFound as problem:
        return 404, {"message": str(problem)}
