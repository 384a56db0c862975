"""The sockets on which Docker calls the plugin: is somebody there, and a stand-in that answers yes to all.

A socket file without listener, and a driver without socket, cost every Docker call that touches them 15 s
and more (specification plugin, section 8). So whoever takes the plugin away has to see to both.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from weave_cli.leaks import Leaks
from weave_cli.names import (
    GLOBAL_DRIVER,
    HOST_PROCESSES,
    LEAKS_CALL,
    MESH_DRIVER,
    PLUGIN_SOCKET_DIRECTORY,
    SWARM_SOCKET,
)
from weave_cli.plugin_links import follow

DIRECTORY: Final = Path(PLUGIN_SOCKET_DIRECTORY)

_CONNECT_TIMEOUT_S: Final = 2.0


def is_plugin_listening(driver: str = MESH_DRIVER, *, directory: Path = DIRECTORY) -> bool:
    """Does somebody answer /Plugin.Activate on the driver's socket?"""
    return _answers(directory / f"{driver}.sock")


def find_socket_state(path: Path) -> Literal["answers", "silent", "dead"] | None:
    """silent: somebody accepts, and answers nothing; dead: nobody accepts; None: it is no socket."""
    if not Path(follow(path, HOST_PROCESSES)).is_socket():
        return None
    if _answers(path):
        return "answers"
    return "silent" if _accepts(path) else "dead"


def read_leaks(*, directory: Path = DIRECTORY) -> Leaks | None:
    """What the plugin found left behind; None: it does not serve, or does not count, as a stand-in."""
    text = _ask(directory / f"{MESH_DRIVER}.sock", LEAKS_CALL)
    if text is None:
        return None
    import json  # only answers that there are need it

    told = json.loads(text)
    if "suspected" not in told:
        return None
    return Leaks(suspected=told["suspected"], removed=told["removed"])


def _answers(path: Path) -> bool:
    return _ask(path, "Plugin.Activate") is not None


def _ask(path: Path, call: str) -> bytes | None:
    """The body of the answer; None: there is no good one."""
    connection = http.client.HTTPConnection("plugin", timeout=_CONNECT_TIMEOUT_S)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.settimeout(_CONNECT_TIMEOUT_S)
        try:
            opened.connect(follow(path, HOST_PROCESSES))
            connection.sock = opened
            connection.request("POST", f"/{call}")
            response = connection.getresponse()
            body = response.read()
            return body if response.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None


def list_sockets(*, directory: Path = DIRECTORY) -> list[Path]:
    """The sockets of our drivers that are there, whoever listens; links to ones that are no more as well."""
    paths = (directory / f"{driver}.sock" for driver in (MESH_DRIVER, GLOBAL_DRIVER))
    return [path for path in paths if path.is_socket() or path.is_symlink()]


def remove_dead_sockets(*, directory: Path = DIRECTORY) -> None:
    """Unlink the sockets of our drivers that nobody listens on."""
    for path in list_sockets(directory=directory):
        if not _accepts(path):
            path.unlink(missing_ok=True)


@contextmanager
def stand_in(*, directory: Path = DIRECTORY) -> Iterator[None]:
    """Serve on both sockets for as long as the context lasts, and agree to everything.

    For taking networks and endpoints apart once plugin and router are gone: Docker then finds somebody who
    lets it delete, instead of waiting. Where a plugin listens, it is left to answer itself.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for driver in (MESH_DRIVER, GLOBAL_DRIVER):
            path = directory / f"{driver}.sock"
            if not _accepts(path):
                stack.enter_context(stand_in_at(path))
        yield


@contextmanager
def stand_in_at(path: Path) -> Iterator[None]:
    """The same on one socket, where nobody listens."""
    # Imported here: its http.server takes longer than a command that only asks may last.
    from weave_cli.operations.plugin_stand_in import StandIn

    with ExitStack() as stack:
        path.unlink(missing_ok=True)
        stack.callback(path.unlink, missing_ok=True)
        server = StandIn(path)
        stack.callback(server.server_close)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=f"stand-in {path.name}")
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield


def is_swarm_plugin_listening(*, directory: Path = DIRECTORY) -> bool:
    """Does the managed plugin answer? Docker shows its socket in a directory that is called after its id."""
    return any(_answers(path) for path in directory.glob(f"*/{SWARM_SOCKET}"))


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as opened, suppress(OSError):
        opened.settimeout(_CONNECT_TIMEOUT_S)
        opened.connect(follow(path, HOST_PROCESSES))
        return True
    return False
