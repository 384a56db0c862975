"""TLS at the proxy's ports: who comes in, who is turned away, and that each direction ends by itself."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.fakes.docker_passage import passage
from tests.unit.test_proxy_passage import in_loop
from weave_cli.errors import UsageProblem
from weave_cli.proxy.options import TlsOptions
from weave_cli.proxy.tls import make_context

_HEAD = b"\r\n\r\n"
_SWITCHED = b"HTTP/1.1 101 UPGRADED\r\n\r\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cert.pem and key.pem, their own authority."""
    made = tmp_path_factory.mktemp("certificates")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=lab"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made / "key.pem")]
    subprocess.run(
        ["openssl", *words.split(), *files, "-out", str(made / "cert.pem")], check=True, capture_output=True
    )
    return made


def _server(certificates: Path, *, verifies: bool = False) -> ssl.SSLContext:
    pair = (str(certificates / "cert.pem"), str(certificates / "key.pem"))
    return make_context(TlsOptions(certificate=pair[0], key=pair[1], ca=pair[0] if verifies else None))


def _client(certificates: Path, *, shows: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates / "cert.pem"))
    if shows:
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    return context


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


async def _after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only once all of its input has come, as `docker run -i` may."""
    await reader.readuntil(_HEAD)
    writer.write(_SWITCHED)
    typed = await reader.read()
    writer.write(b"%d octets, " % len(typed) + b"y" * 300_000)
    writer.close()


def _talk(port: int, context: ssl.SSLContext, typed: bytes) -> bytes:
    """With half-closed TLS, which asyncio does not know but Docker's own client does."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")

        def feed() -> None:
            if outgoing.pending:
                plain.sendall(outgoing.read())
            octets = plain.recv(65536)
            incoming.write(octets) if octets else incoming.write_eof()

        def until(step: object) -> object:
            assert callable(step)
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    feed()

        until(tls.do_handshake)
        tls.write(b"POST /attach HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\r\n")
        opening = b""
        while _HEAD not in opening:
            part = until(lambda: tls.read(65536))
            assert isinstance(part, bytes)
            opening += part
        for at in range(0, len(typed), 65536):
            tls.write(typed[at : at + 65536])
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        plain.sendall(outgoing.read())
        said = opening
        while True:
            try:
                part = until(lambda: tls.read(65536))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return said
            assert isinstance(part, bytes)
            if not part:
                return said
            said += part


def _knock(port: int, context: ssl.SSLContext | None) -> bytes:
    """What comes back for a request, if it gets that far."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            line = plain if context is None else context.wrap_socket(plain, server_hostname="127.0.0.1")
            with line:
                line.sendall(b"GET /info HTTP/1.1\r\nHost: d\r\n\r\n")
                return line.recv(65536)
    except (ssl.SSLError, ConnectionError):
        return b""


@pytest.mark.parametrize("verifies", [False, True])
@in_loop
async def test_each_direction_ends_by_itself(tmp_path: Path, certificates: Path, verifies: bool) -> None:
    port = _free_port()
    async with passage(tmp_path, _after_the_end, tls=_server(certificates, verifies=verifies), port=port):
        said = await asyncio.to_thread(_talk, port, _client(certificates, shows=verifies), b"x" * 1_000_000)

    assert said == _SWITCHED + b"1000000 octets, " + b"y" * 300_000


@pytest.mark.parametrize("is_plain", [False, True])
@in_loop
async def test_strangers_are_turned_away(tmp_path: Path, certificates: Path, is_plain: bool) -> None:
    port = _free_port()
    async with passage(tmp_path, _after_the_end, tls=_server(certificates, verifies=True), port=port):
        context = None if is_plain else _client(certificates, shows=False)
        told = await asyncio.to_thread(_knock, port, context)

    assert b"HTTP" not in told


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (("cert.pem", "cert.pem", None), "cannot use certificate"),
        (("nosuch.pem", "key.pem", None), "No such file"),
        (("cert.pem", "key.pem", "key.pem"), "cannot use the certificates"),
    ],
)
def test_bad_files_are_named(certificates: Path, files: tuple[str, str, str | None], reason: str) -> None:
    certificate, key, ca = (None if name is None else str(certificates / name) for name in files)
    assert certificate is not None
    assert key is not None

    with pytest.raises(UsageProblem, match=reason):
        make_context(TlsOptions(certificate=certificate, key=key, ca=ca))
