"""The same command again, on the host that Docker is on: in a container of our image, or in the plugin's.

The helper container has what commands need of a host, and nothing that outlives it: no log, no writable file.
Docker removes it when it ends, also when nobody waits for it any more. Its errand goes in through its
standard input, and its output comes back as it is written. Knows no image and no command.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import struct
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final
from urllib.parse import quote

from weave_cli import __version__
from weave_cli.containers.engine_http import call, open_connection, open_stream, send
from weave_cli.containers.errand import Errand, pack_errand
from weave_cli.containers.extra_options import add_to_host_config, parse_extra_options
from weave_cli.errors import DockerProblem
from weave_cli.names import COMPONENT_LABEL, LABEL, PLUGIN_SOCKET_DIRECTORY, SYSCTL_NET_MOUNT
from weave_cli.settings import Settings

#: (1: stdout, 2: stderr; octets)
OnOutput = Callable[[int, bytes], None]

_PROGRAM: Final = ("python", "-m", "weave_cli.commands.inside")

_CAPABILITIES: Final = (
    "NET_ADMIN",  # bridge, veth pairs, firewall
    "NET_RAW",  # gratuitous ARP
    "SYS_ADMIN",  # enter the network namespaces of containers
    "SYS_PTRACE",  # find them, and the host's own files, below /proc
    "KILL",  # attach --or-kill
    "DAC_OVERRIDE",  # /etc/hosts of containers, which another user owns where Docker maps user ids
    "FOWNER",  # and its mode
)
#: A helper steps into containers of whatever profile, and uses Docker's socket.
_SECURITY: Final = ("apparmor=unconfined", "label=disable")

_FRAME: Final = struct.Struct(">BxxxI")
STDOUT: Final = 1
STDERR: Final = 2
_STREAMS: Final = "stream=1&stdin=1&stdout=1&stderr=1"
_FORWARDED_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 3  # interrupts, until we no longer wait for the other side
_OK, _CREATED, _NO_CONTENT = 200, 201, 204


class HelperLost(DockerProblem):
    """The conversation ended before the command did."""


def run_in_helper(settings: Settings, image: str, errand: Errand, on_output: OnOutput) -> int:
    """The exit status of the errand in a new container; on return, the container is gone.

    Interrupts go to the helper, which undoes what it began. Raises DockerProblem when there can be no helper.
    """
    with forwarded_signals() as caught:
        return _run_in_new(settings, _create(settings, image), errand, on_output, caught)


def _run_in_new(
    settings: Settings, container_id: str, errand: Errand, on_output: OnOutput, caught: int
) -> int:
    is_started = False
    try:
        with (
            closing(open_stream(settings, f"/containers/{container_id}/attach?{_STREAMS}")) as stream,
            closing(open_connection(settings)) as waiting,
        ):
            # Docker answers with a head once it looks out for the end, and with the status at the end.
            answer = send(waiting, settings, "POST", f"/containers/{container_id}/wait?condition=removed")
            _expect(_OK, answer.status, "wait for the helper container", None)
            _start(settings, container_id)
            is_started = True
            converse(stream, errand, on_output, caught)
            return _read_status(answer)
    finally:
        if not is_started:
            with suppress(DockerProblem):
                call(settings, "DELETE", f"/containers/{container_id}?force=1")


def run_in_container(settings: Settings, container: str, errand: Errand, on_output: OnOutput) -> int | None:
    """The same inside a container of ours that runs; None when it does not take the errand."""
    wishes = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Cmd": _PROGRAM}
    status, made = call(settings, "POST", f"/containers/{quote(container, safe='')}/exec", wishes)
    if status != _CREATED:
        return None
    where = f"/exec/{made['Id']}"
    with (
        forwarded_signals() as caught,
        closing(open_stream(settings, f"{where}/start", {"Detach": False, "Tty": False})) as stream,
    ):
        converse(stream, errand, on_output, caught)
    status, facts = call(settings, "GET", f"{where}/json")
    if status != _OK or facts.get("ExitCode") is None:
        raise HelperLost(f"the container {container} ended while a command ran in it", hint="Try again.")
    return int(facts["ExitCode"])


def make_helper_request(settings: Settings, image: str) -> dict[str, Any]:
    """What the engine's API is asked to create."""
    extra = parse_extra_options("WEAVEEXEC_DOCKER_ARGS", settings.helper_arguments)
    request: dict[str, Any] = {
        "Image": image,
        "Cmd": _PROGRAM,
        "Env": [
            "WEAVE_CIDR=none",  # keeps a proxy's hands off
            *(f"{name}={value}" for name, value in extra.environment.items()),
        ],
        "Labels": {**extra.labels, LABEL: __version__, COMPONENT_LABEL: "helper"},
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,  # so that the helper sees when we are gone
        "HostConfig": {
            "AutoRemove": True,
            "RestartPolicy": {"Name": "no"},
            "NetworkMode": "host",
            "PidMode": "host",
            "UTSMode": "host",
            "UsernsMode": "host",
            "CapDrop": ["ALL"],
            "CapAdd": _CAPABILITIES,
            "SecurityOpt": _SECURITY,
            # /dev/net/tun, for trying it; here it may be named where it is missing, too.
            "DeviceCgroupRules": ["c 10:200 rwm"],
            "ReadonlyRootfs": True,
            "LogConfig": {"Type": "none"},
            # Docker makes a directory of what is bound and not there: good for the one, bad for the other.
            "Binds": [
                f"{PLUGIN_SOCKET_DIRECTORY}:{PLUGIN_SOCKET_DIRECTORY}",
                f"/proc/sys/net:{SYSCTL_NET_MOUNT}",
            ],
            "Mounts": [
                {"Type": "bind", "Source": settings.docker_socket, "Target": settings.docker_socket},
            ],
        },
    }
    add_to_host_config(request["HostConfig"], extra)
    return request


def _create(settings: Settings, image: str) -> str:
    name = f"weavehelper-{uuid.uuid4().hex[:12]}"
    request = make_helper_request(settings, image)
    status, answer = call(settings, "POST", f"/containers/create?name={name}", request)
    _expect(_CREATED, status, "create the helper container", answer)
    return str(answer["Id"])


def _start(settings: Settings, container_id: str) -> None:
    status, answer = call(settings, "POST", f"/containers/{container_id}/start")
    _expect(_NO_CONTENT, status, "start the helper container", answer)


def _expect(wanted: int, status: int, action: str, answer: Any) -> None:
    if status != wanted:
        reason = answer.get("message") if isinstance(answer, dict) else None
        raise DockerProblem(
            f"cannot {action}: {reason or f'Docker answers with status {status}'}",
            hint="See the log of the Docker engine there.",
        )


def converse(opened: socket.socket, errand: Errand, on_output: OnOutput, caught: int) -> None:
    """Send the errand, then pass on what comes, until it ends: output to the one side, signals to the other.

    caught: where the numbers of signals can be read that we got.
    """
    opened.sendall(pack_errand(errand))
    frames = FrameReader(on_output)
    interrupts = 0
    pending = getattr(opened, "pending", lambda: 0)  # TLS has octets that select does not know of
    while True:
        ready: list[object] = [opened] if pending() else _wait_for(opened, caught)
        if caught in ready:
            numbers = os.read(caught, 64)
            interrupts += numbers.count(signal.SIGINT)
            if interrupts >= _PATIENCE:
                raise KeyboardInterrupt
            opened.sendall(bytes(number for number in numbers if number in _FORWARDED_SIGNALS))
        if opened in ready:
            octets = opened.recv(65536)
            if not octets:
                return
            frames.receive(octets)


def _wait_for(opened: socket.socket, caught: int) -> list[object]:
    waiting: list[Any] = [opened, caught]
    return list(select.select(waiting, [], [])[0])


class FrameReader:
    """Takes Docker's stream of both outputs apart: 1 or 2, three zeros, the length, the octets."""

    def __init__(self, on_output: OnOutput) -> None:
        self._on_output = on_output
        self._waiting = b""

    def receive(self, octets: bytes) -> None:
        """Hands on what is whole."""
        self._waiting += octets
        while len(self._waiting) >= _FRAME.size:
            stream, length = _FRAME.unpack_from(self._waiting)
            end = _FRAME.size + length
            if len(self._waiting) < end:
                return
            self._on_output(STDERR if stream == STDERR else STDOUT, self._waiting[_FRAME.size : end])
            self._waiting = self._waiting[end:]


@contextmanager
def forwarded_signals() -> Iterator[int]:
    """Where the numbers of our signals can be read, which do nothing else meanwhile."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {
        number: handler
        for number in _FORWARDED_SIGNALS
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)  # nohup has one ignored
    }
    former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        for number in before:
            signal.signal(number, _do_nothing)
        yield reader
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former)
        os.close(reader)
        os.close(writer)


def _do_nothing(*_: object) -> None:
    """The number of the signal has been written already."""


def _read_status(answer: http.client.HTTPResponse) -> int:
    try:
        found = json.loads(answer.read())
        return int(found["StatusCode"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as problem:
        raise HelperLost(
            "Docker hung up while a command ran in its helper container",
            hint="See what it has done, then try again.",
        ) from problem
