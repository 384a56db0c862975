"""Every environment variable that we obey, read once. Knows no door: it only turns words into values.

Names and defaults follow the specification cli, section 2.2. A variable whose feature does not exist here
is not read, but for those that would otherwise fail in silence: see `Settings.ignored`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weave_cli.docker_endpoint import Endpoint, find_endpoint, split_client_arguments
from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem
from weave_cli.names import (
    DOCKER_BRIDGE,
    HTTP_ADDRESS,
    MESH_PORT,
    PLUGIN_CONTAINER,
    PROXY_CONTAINER,
    PROXY_PORT,
    PROXY_SOCKET,
    ROUTER_CONTAINER,
)

#: The oldest Docker Engine that we are tried with, as (major, minor).
LOWEST_ENGINE: Final = (20, 10)

DOCKER_SOCKET: Final = "/var/run/docker.sock"

#: In which the completion scripts say what they want.
COMPLETION_VARIABLE: Final = "_WEAVE_COMPLETE"

_IGNORED: Final = ("WEAVE_NO_BRIDGED_FASTDP",)

#: Where the host's files are, in containers that see them elsewhere.
HOST_ROOT: Final = "WEAVE_HELPER_ROOT"

#: Beside all that begins with WEAVE: what commands, and those who write on terminals, look at.
_FORWARDED: Final = frozenset(
    {
        "CHECKPOINT_DISABLE", "DOCKER_API_VERSION", "DOCKER_BRIDGE", "DOCKER_CLIENT_HOST", "ORIG_DOCKER_HOST",
        "PROXY_HOST", "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS",
        "LINES", "LC_ALL", "LC_CTYPE", "LANG",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment asks for."""

    endpoint: Endpoint
    """The engine that DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CLIENT_ARGS... lead to."""
    client_arguments: tuple[str, ...]
    """DOCKER_CLIENT_ARGS: options for the docker command where we run it."""
    api_version: str | None
    """DOCKER_API_VERSION; None: the highest that both sides know."""
    original_docker_host: str | None
    """ORIG_DOCKER_HOST, which `env --restore` goes back to; empty is not the same as unset (None)."""
    client_host: str
    """DOCKER_HOST as the user has it; where we run for a user elsewhere, DOCKER_CLIENT_HOST. Empty: unset."""
    certificate_directory: str | None
    """DOCKER_CERT_PATH, else that of docker in the user's home."""
    proxy_host: str
    """PROXY_HOST: what stands for 0.0.0.0 in addresses of the proxy; empty: where Docker is."""
    docker_bridge: str
    """DOCKER_BRIDGE: the device of Docker's own bridge."""
    port: int
    """WEAVE_PORT: TCP port of the mesh; data travels on the UDP port after it."""
    http_address: str
    """WEAVE_HTTP_ADDR: `ip:port` of the router's HTTP API."""
    mtu_bytes: int | None
    """WEAVE_MTU: MTU of the bridge and the containers; None = what the underlay allows."""
    router_container: str
    """WEAVE_CONTAINER_NAME: what the router's container is called."""
    status_address: str | None
    """WEAVE_STATUS_ADDR: `ip:port` where the router tells of itself, and takes no orders; None: nowhere."""
    wants_fastdp: bool
    """False when WEAVE_NO_FASTDP is not empty: no frame then goes through the kernel's VXLAN."""
    router_arguments: str
    """WEAVE_DOCKER_ARGS: more options of `docker run` for the router's container."""
    plugin_arguments: str
    """WEAVEPLUGIN_DOCKER_ARGS: the same for the plugin's."""
    proxy_arguments: str
    """WEAVEPROXY_DOCKER_ARGS: the same for the proxy's."""
    helper_arguments: str
    """WEAVEEXEC_DOCKER_ARGS: the same for helper containers."""
    wants_plugin: bool
    """False when WEAVE_NO_PLUGIN is not empty: launch, stop and reset then leave the plugin alone."""
    wants_proxy: bool
    """False when WEAVE_NO_PROXY is not empty: launch then starts no proxy."""
    password: str | None = field(repr=False)
    """WEAVE_PASSWORD; None when unset or empty."""
    ignored: tuple[str, ...]
    """Variables that are set, that the original script obeys, and that have no effect here."""

    @property
    def docker_socket(self) -> str:
        """The path on the engine's host of Docker's unix socket, for binding it into a container."""
        host = self.endpoint.host
        return host.removeprefix("unix://") if host and self.endpoint.is_socket else DOCKER_SOCKET

    @property
    def proxy_name(self) -> str:
        """What stands for 0.0.0.0 in the proxy's addresses: PROXY_HOST, or where the user reaches Docker."""
        scheme, _, rest = self.client_host.partition("://")
        return self.proxy_host or (rest.rpartition(":")[0] if scheme == "tcp" else "") or "127.0.0.1"

    @property
    def state_volume(self) -> str:
        """The volume that router and plugin write to is called after the router's container."""
        return f"{self.router_container}db"

    @property
    def docker_place(self) -> str:
        """Where Docker is, for messages."""
        return self.endpoint.host or f"unix://{DOCKER_SOCKET}"


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environment` (default: that of this process).

    Raises UsageProblem naming variable and value when a value does not parse.
    """
    words = os.environ if environment is None else environment
    return Settings(
        endpoint=_find_endpoint(words),
        client_arguments=tuple(split_client_arguments(words.get("DOCKER_CLIENT_ARGS", ""))),
        api_version=_api_version(words),
        original_docker_host=words.get("ORIG_DOCKER_HOST"),
        client_host=words.get("DOCKER_CLIENT_HOST") or words.get("DOCKER_HOST", ""),
        certificate_directory=words.get("DOCKER_CERT_PATH")
        or (f"{words['HOME']}/.docker" if words.get("HOME") else None),
        proxy_host=words.get("PROXY_HOST", ""),
        docker_bridge=words.get("DOCKER_BRIDGE") or DOCKER_BRIDGE,
        port=_number(words, "WEAVE_PORT", lowest=1, highest=65534) or MESH_PORT,
        http_address=_endpoint(words, "WEAVE_HTTP_ADDR") or HTTP_ADDRESS,
        mtu_bytes=_number(words, "WEAVE_MTU", lowest=576, highest=65535),
        router_container=_container_name(words),
        status_address=_endpoint(words, "WEAVE_STATUS_ADDR"),
        wants_fastdp=not words.get("WEAVE_NO_FASTDP"),
        router_arguments=words.get("WEAVE_DOCKER_ARGS", ""),
        plugin_arguments=words.get("WEAVEPLUGIN_DOCKER_ARGS", ""),
        proxy_arguments=words.get("WEAVEPROXY_DOCKER_ARGS", ""),
        helper_arguments=words.get("WEAVEEXEC_DOCKER_ARGS", ""),
        wants_plugin=not words.get("WEAVE_NO_PLUGIN"),
        wants_proxy=not words.get("WEAVE_NO_PROXY"),
        password=words.get("WEAVE_PASSWORD") or None,
        ignored=tuple(name for name in _IGNORED if words.get(name)),
    )


def _find_endpoint(words: Mapping[str, str]) -> Endpoint:
    """Of Docker itself, also where `weave env` has put the proxy: it may be what we are to stop."""
    host = words.get("DOCKER_HOST", "")
    is_proxy = host == f"unix://{PROXY_SOCKET}"
    if is_proxy or ("ORIG_DOCKER_HOST" in words and host.endswith(f":{PROXY_PORT}")):
        words = {**words, "DOCKER_HOST": words.get("ORIG_DOCKER_HOST", "")}
    return find_endpoint(words)


def host_root() -> str | None:
    """Where the host's files are seen when not at their own paths: in a helper container."""
    return os.environ.get(HOST_ROOT)


def forwarded_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that a command obeys, for where Docker is; DOCKER_HOST only when it is a path there.

    Contexts and certificates are the way to there, and stay here.
    """
    words = os.environ if environment is None else environment
    found = {name: words[name] for name in words if _is_forwarded(name)}
    endpoint = _find_endpoint(words)
    if endpoint.is_socket:
        if endpoint.host is not None:
            found["DOCKER_HOST"] = endpoint.host
    elif endpoint.host is not None:
        found.setdefault("DOCKER_CLIENT_HOST", endpoint.host)
    return found


def adopt_environment(environment: Mapping[str, str], *, root: str) -> None:
    """In a helper: have the user's variables, and no others of ours; the host's files are in `root`."""
    for name in [name for name in os.environ if _is_forwarded(name) or name == "DOCKER_HOST"]:
        del os.environ[name]
    os.environ.update(environment)
    os.environ[HOST_ROOT] = root


def _is_forwarded(name: str) -> bool:
    return name in _FORWARDED or (name.startswith("WEAVE") and name != HOST_ROOT)


def count_handed_sockets() -> int:
    """LISTEN_FDS: how many listening sockets systemd has handed to this process, from descriptor 3 on."""
    words = os.environ
    count = words.get("LISTEN_FDS", "")
    return int(count) if words.get("LISTEN_PID") == str(os.getpid()) and count.isdecimal() else 0


def wants_trace() -> bool:
    """WEAVE_DEBUG: show the trace of an unexpected error. Answers even if other variables are wrong."""
    return bool(os.environ.get("WEAVE_DEBUG"))


def is_completing() -> bool:
    """Does a shell ask what may come next, rather than anybody for something to be done?"""
    return bool(os.environ.get(COMPLETION_VARIABLE))


def read_bash_line() -> tuple[str, str]:
    """What is typed up to the cursor, as bash tells, and where it cuts words."""
    line = os.environ.get("COMP_LINE", "")
    point = os.environ.get("COMP_POINT", "")
    # Octets: COMP_POINT counts them.
    until = line.encode()[: int(point)].decode("utf-8", "replace") if point.isdigit() else line
    return until, os.environ.get("COMP_WORDBREAKS", "")


def wants_colour() -> bool:
    """False when NO_COLOR is not empty (no-color.org), or the terminal has none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def wants_ascii() -> bool:
    """Does the locale not say UTF-8? Python speaks it in the locale C, too, whose terminals may not."""
    words = os.environ
    locale = words.get("LC_ALL") or words.get("LC_CTYPE") or words.get("LANG") or ""
    return "utf8" not in locale.lower().replace("-", "")


def plugin_fault_file() -> str | None:
    """WEAVE_PLUGIN_FAULTS, of the plugin's own process and for tests: see plugin.faults."""
    return os.environ.get("WEAVE_PLUGIN_FAULTS") or None


def plugin_look_s() -> int | None:
    """WEAVE_PLUGIN_LOOK_S, likewise: seconds between two looks for what was left behind."""
    return _number(os.environ, "WEAVE_PLUGIN_LOOK_S", lowest=1, highest=3600)


def _container_name(words: Mapping[str, str]) -> str:
    text = words.get("WEAVE_CONTAINER_NAME") or ROUTER_CONTAINER
    taken = (PLUGIN_CONTAINER, PROXY_CONTAINER)
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", text, re.ASCII) or text in taken:
        raise UsageProblem(
            f"invalid value in WEAVE_CONTAINER_NAME: {text!r}",
            hint=f"It takes a name that Docker takes, but not {' or '.join(taken)}.",
            code=Code.BAD_SETTING,
        )
    return text


def _api_version(words: Mapping[str, str]) -> str | None:
    text = words.get("DOCKER_API_VERSION")
    if text and not re.fullmatch(r"v?\d+\.\d+", text, re.ASCII):
        raise UsageProblem(
            f"invalid value in DOCKER_API_VERSION: {text!r}",
            hint="It takes a version such as 1.41.",
            code=Code.BAD_SETTING,
        )
    return text.removeprefix("v") if text else None


def _number(words: Mapping[str, str], name: str, *, lowest: int, highest: int) -> int | None:
    text = words.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise UsageProblem(
            f"invalid value in {name}: {text!r}",
            hint=f"It takes a number from {lowest} to {highest}.",
            code=Code.BAD_SETTING,
        )
    return int(text)


def _endpoint(words: Mapping[str, str], name: str) -> str | None:
    text = words.get(name)
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageProblem(
            f"invalid value in {name}: {text!r}",
            hint=f"It takes IP:PORT, as in {HTTP_ADDRESS}.",
            code=Code.BAD_SETTING,
        )
    return f"{host or '127.0.0.1'}:{port}"
