"""Docker reached over TCP with TLS and without, by the standard library."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from weave_cli.containers.engine_http import call
from weave_cli.errors import DockerProblem
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit


class _Engine(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = b'{"path":"%s","body":%s}' % (self.path.encode(), body or b"null")
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[str]:
    """An engine on loopback; its DOCKER_HOST."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Engine) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, cert.pem and key.pem: one that is its own authority."""
    made = tmp_path_factory.mktemp("certificates")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=lab"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(made / "key.pem")]
    run = ["openssl", *words.split(), *files, "-out", str(made / "cert.pem")]
    subprocess.run(run, check=True, capture_output=True)
    (made / "ca.pem").write_bytes((made / "cert.pem").read_bytes())
    return made


def server_context(certificates: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    return context


def test_call_over_tcp() -> None:
    with serving() as host:
        answer = call(read_settings({"DOCKER_HOST": host}), "POST", "/x", {"a": 1})
        assert answer == (200, {"path": "/x", "body": {"a": 1}})
        settings = read_settings({"DOCKER_HOST": host, "DOCKER_API_VERSION": "1.41"})
        assert call(settings, "POST", "/x") == (200, {"path": "/v1.41/x", "body": None})


def test_call_over_tls_needs_the_authority_that_signed(certificates: Path, tmp_path: Path) -> None:
    with serving(server_context(certificates)) as host:
        trusted = {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates)}
        assert call(read_settings(trusted), "POST", "/x")[0] == 200
        careless = {"DOCKER_HOST": host, "DOCKER_CLIENT_ARGS": "--tls"}
        assert call(read_settings(careless), "POST", "/x")[0] == 200
        strange = {**trusted, "DOCKER_CERT_PATH": str(tmp_path)}
        with pytest.raises(
            DockerProblem, match=r"cannot talk TLS to Docker at tcp://.*self.signed"
        ) as caught:
            call(read_settings(strange), "POST", "/x")
        assert "DOCKER_CERT_PATH" in (caught.value.hint or "")


def test_plain_words_to_an_engine_that_wants_tls(certificates: Path) -> None:
    with serving(server_context(certificates)) as host, pytest.raises(DockerProblem, match="cannot reach"):
        call(read_settings({"DOCKER_HOST": host}), "POST", "/x")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("/run", "an address without scheme is not spoken here"),
        ("ssh://root@10.0.0.1", "ssh:// is not spoken here; tcp:// and unix:// are"),
        ("tcp://there:port", "port"),
    ],
)
def test_engine_that_cannot_be_reached_is_named(host: str, reason: str) -> None:
    with pytest.raises(DockerProblem, match=reason) as caught:
        call(read_settings({"DOCKER_HOST": host}), "GET", "/x")
    assert caught.value.message.startswith(f"cannot reach Docker at {host}: ")
