"""The managed plugin as a value (pure): the config.json that Docker makes it from. Knows no Docker.

    {"description": .., "entrypoint": ["python", "-m", "weave_cli.plugin", "--managed", ..],
     "interface": {"types": ["docker.networkdriver/1.0"], "socket": "weave-swarm.sock"},
     "network": {"type": "host"}, "linux": {"capabilities": ["CAP_NET_ADMIN"]},
     "env": [{"name": .., "value": ..}], "mounts": [{"source": .., "destination": .., "type": "bind", ..}]}

Docker keeps all of it, and nothing else: so what it was made from is told among the variables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from weave_cli import __version__
from weave_cli.containers.specs import DOCKER_DIRECTORY, PluginOptions
from weave_cli.names import STATE_DIRECTORY, SWARM_DRIVER, SWARM_SOCKET, SYSCTL_NET_MOUNT
from weave_cli.settings import Settings

#: Among its variables: the version that made it, and the image's content (images.recipe).
VERSION_VARIABLE: Final = "WEAVE_PLUGIN_VERSION"
CONTENT_VARIABLE: Final = "WEAVE_PLUGIN_CONTENT"

#: Its journal's file, beside that of the plugin in a container: two processes, two journals.
SWARM_JOURNAL: Final = "swarm-plugin.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedHost:
    """What it has to know of the host that it is made on; paths are the host's own."""

    state_directory: str
    """Where the volume with the router's state is: it outlives the plugin, and goes with a reset."""
    docker_socket: str
    image_environment: tuple[str, ...]
    """The image's variables, as `NAME=value`."""
    content: str
    """Of the image."""


def make_config(options: PluginOptions, settings: Settings, host: ManagedHost) -> dict[str, Any]:
    """Docker's config.json of the plugin."""
    directory, _, name = host.docker_socket.rpartition("/")
    environment = dict(word.split("=", 1) for word in host.image_environment)
    environment |= {
        "WEAVE_HTTP_ADDR": settings.http_address,
        "DOCKER_HOST": f"unix://{DOCKER_DIRECTORY}/{name}",
        VERSION_VARIABLE: __version__,
        CONTENT_VARIABLE: host.content,
    }
    return {
        "description": f"weave {__version__}: driver {SWARM_DRIVER}, networks of a swarm",
        "documentation": "weave help launch-plugin",
        "entrypoint": _entrypoint(options),
        "workdir": "/",
        "interface": {"types": ["docker.networkdriver/1.0"], "socket": SWARM_SOCKET},
        "network": {"type": "host"},
        "linux": {"capabilities": ["CAP_NET_ADMIN"]},  # veth pairs
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "mounts": [
            _bind("state", host.state_directory, STATE_DIRECTORY, "rw"),
            _bind("sysctl", "/proc/sys/net", SYSCTL_NET_MOUNT, "rw"),
            # Docker mounts it for plugins without what is mounted below it, as `specs.Mount.is_shallow`.
            _bind("docker", directory or "/", DOCKER_DIRECTORY, "ro"),
        ],
    }


def _entrypoint(options: PluginOptions) -> list[str]:
    words = ["python", "-m", "weave_cli.plugin", "--managed", f"--journal={STATE_DIRECTORY}/{SWARM_JOURNAL}"]
    if options.log_level is not None:
        words.append(f"--log-level={options.log_level}")
    if not options.wants_multicast_route:
        words.append("--no-multicast-route")
    return words


def _bind(name: str, source: str, target: str, mode: str) -> dict[str, Any]:
    return {
        "name": name,
        "source": source,
        "destination": target,
        "type": "bind",
        "options": ["bind", mode],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPlugin:
    """A plugin that Docker has under our name, whether we made it or somebody else did."""

    id: str
    name: str
    is_enabled: bool
    entrypoint: tuple[str, ...]
    environment: Mapping[str, str]
    sources: tuple[str, ...]
    """The host's paths that it sees."""

    @property
    def version(self) -> str | None:
        """The version of weave that made it; None: it is not ours."""
        return self.environment.get(VERSION_VARIABLE)

    @property
    def content(self) -> str | None:
        return self.environment.get(CONTENT_VARIABLE)

    def is_made_from(self, config: Mapping[str, Any]) -> bool:
        """Would a plugin of this config.json be the same?"""
        wanted = {entry["name"]: entry["value"] for entry in config["env"]}
        return (
            self.entrypoint == tuple(config["entrypoint"])
            and self.sources == tuple(mount["source"] for mount in config["mounts"])
            and all(self.environment.get(key) == value for key, value in wanted.items())
        )


def read_managed(facts: Mapping[str, Any]) -> ManagedPlugin:
    """From Docker's answer to /plugins/NAME/json."""
    settings = facts.get("Settings") or {}
    words: Sequence[str] = settings.get("Env") or ()
    return ManagedPlugin(
        id=facts["Id"],
        name=facts["Name"],
        is_enabled=bool(facts["Enabled"]),
        entrypoint=tuple((facts.get("Config") or {}).get("Entrypoint") or ()),
        environment=dict(word.split("=", 1) for word in words if "=" in word),
        sources=tuple(mount.get("Source") or "" for mount in settings.get("Mounts") or ()),
    )
