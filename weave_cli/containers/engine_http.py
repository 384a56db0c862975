"""One call to Docker by the standard library alone, over a socket or over TCP, with TLS or without.

For what must not wait for the import of the SDK, and for what the SDK does not do well: conversations that
leave HTTP, as `attach` does. Knows no container.
"""

from __future__ import annotations

import errno
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from weave_cli.containers.advice import advise, find_cause, first_line
from weave_cli.docker_endpoint import TlsFiles
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem
from weave_cli.settings import Settings

if TYPE_CHECKING:
    import ssl  # takes as long to import as asking takes, and is seldom needed

#: A call that touches a dead plugin takes Docker as long as this (specification plugin, section 8.1).
_TIMEOUT_S: Final = 60.0
#: A host that does not answer at all is another matter; the docker command waits for minutes.
_CONNECT_TIMEOUT_S: Final = 15.0
#: Switching protocols; engines that ignore the wish for an upgrade say OK.
_STREAMING: Final = (101, 200)
_PORTS: Final = {"tcp": 2375, "http": 2375, "https": 2376}


def call(
    settings: Settings, method: str, path: str, body: object = None, *, timeout_s: float | None = _TIMEOUT_S
) -> tuple[int, Any]:
    """Status and JSON (None: no body) of Docker's answer; raises DockerProblem when there is none.

    Without DOCKER_API_VERSION, a question gets the engine's own version of the answer.
    """
    connection = open_connection(settings)
    try:
        assert connection.sock is not None
        connection.sock.settimeout(timeout_s)
        answer = send(connection, settings, method, path, body)
        octets = answer.read()
        return answer.status, json.loads(octets) if octets.strip() else None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise unreachable(settings, problem) from problem
    finally:
        connection.close()


def send(
    connection: http.client.HTTPConnection,
    settings: Settings,
    method: str,
    path: str,
    body: object = None,
) -> http.client.HTTPResponse:
    """Ask, and read the answer's head."""
    octets = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, _versioned(settings, path), octets, headers)
    return connection.getresponse()


def open_stream(settings: Settings, path: str, body: object = None) -> socket.socket:
    """POST, and the socket for the octets that follow in both directions; raises DockerProblem."""
    opened = open_connection(settings).sock
    assert opened is not None
    try:
        octets = b"" if body is None else json.dumps(body).encode()
        opened.sendall(
            f"POST {_versioned(settings, path)} HTTP/1.1\r\nHost: docker\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(octets)}\r\n\r\n".encode()
            + octets
        )
        head = _read_head(opened)  # and not an octet more
        status = int(head.split(b" ", 2)[1])
        if status not in _STREAMING:
            reason = opened.recv(65536).decode(errors="replace").strip()
            raise DockerProblem(f"Docker refuses to pass octets on: {reason or f'status {status}'}")
    except (OSError, ValueError, IndexError) as problem:
        opened.close()
        raise unreachable(settings, problem) from problem
    except BaseException:
        opened.close()
        raise
    return opened


def _read_head(opened: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        octet = opened.recv(1)
        if not octet:
            raise ConnectionResetError(errno.ECONNRESET, "Docker hung up")
        head += octet
    return head


def _versioned(settings: Settings, path: str) -> str:
    return path if settings.api_version is None else f"/v{settings.api_version}{path}"


def open_connection(settings: Settings) -> http.client.HTTPConnection:
    """Connected, without time limit; raises DockerProblem when Docker cannot be reached."""
    connection = http.client.HTTPConnection("docker")
    try:
        connection.sock = _connect(settings)
        connection.sock.settimeout(None)
    except (OSError, ValueError) as problem:
        raise unreachable(settings, problem) from problem
    return connection


def unreachable(settings: Settings, problem: BaseException) -> DockerProblem:
    """The same words as the SDK's errors lead to."""
    where = settings.docker_place
    if settings.endpoint.tls is not None and type(problem).__module__ == "ssl":
        reason = (
            getattr(problem, "verify_message", "") or getattr(problem, "reason", "") or first_line(problem)
        )
        return DockerProblem(
            f"cannot talk TLS to Docker at {where}: {reason}",
            hint="Check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.",
            code=Code.DOCKER_UNREACHABLE,
        )
    return DockerProblem(
        f"cannot reach Docker at {where}: {find_cause(problem)}",
        hint=advise(problem),
        code=Code.DOCKER_UNREACHABLE,
    )


def _connect(settings: Settings) -> socket.socket:
    if settings.endpoint.is_socket:
        opened = socket.socket(socket.AF_UNIX)
        opened.settimeout(_TIMEOUT_S)
        try:
            opened.connect(settings.docker_socket)
        except BaseException:
            opened.close()
            raise
        return opened
    address = urlsplit(settings.endpoint.host or "")
    if address.scheme not in _PORTS:
        what = f"{address.scheme}://" if address.scheme else "an address without scheme"
        raise ValueError(f"{what} is not spoken here; tcp:// and unix:// are")
    tls = settings.endpoint.tls
    if tls is None and address.scheme == "https":
        tls = TlsFiles()
    port = address.port or (2376 if tls is not None else _PORTS[address.scheme])
    host = address.hostname or "127.0.0.1"
    # Notices that the other side is gone, and lets Docker notice that we are.
    opened = socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened if tls is None else _tls_context(tls).wrap_socket(opened, server_hostname=host)
    except BaseException:
        opened.close()
        raise


def _tls_context(files: TlsFiles) -> ssl.SSLContext:
    import ssl

    context = ssl.create_default_context(cafile=files.ca)
    if not files.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if files.certificate:
        context.load_cert_chain(files.certificate, files.key)
    return context
