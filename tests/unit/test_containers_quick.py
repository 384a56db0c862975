"""Docker asked over its socket, without its SDK."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from weave_cli.containers import quick
from weave_cli.containers.facts import NotRunning
from weave_cli.errors import DockerProblem
from weave_cli.settings import Settings, read_settings

pytestmark = pytest.mark.unit

_ANSWERS = {
    "/containers/json": (200, '[{"Id":"1111"},{"Id":"gone"}]'),
    "/containers/1111/json": (
        200,
        '{"Id":"1111","Name":"/box","State":{"Status":"running","Pid":7},"Image":"sha256:0",'
        '"Config":{"Hostname":"box","Domainname":"weave.local","Labels":null},'
        '"HostConfig":{"NetworkMode":"bridge"},"HostsPath":"/x"}',
    ),
    "/containers/idle/json": (
        200,
        '{"Id":"2222","Name":"/idle","State":{"Status":"exited","Pid":0},"Config":{},"HostConfig":{}}',
    ),
    "/containers/odd/json": (500, '{"message":"something odd"}'),
    "/images/here:1.0/json": (200, '{"Id":"sha256:1"}'),
    "/images/odd:1.0/json": (500, '{"message":"something odd"}'),
    "/containers/text/json": (200, "no JSON"),
}


class _Engine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, text = _ANSWERS.get(self.path, (404, '{"message":"No such container"}'))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    path = tmp_path / "docker.sock"
    with ThreadingUnixStreamServer(str(path), _Engine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield read_settings({"DOCKER_HOST": f"unix://{path}"})
        server.shutdown()
        thread.join()


def test_running_containers_are_found_with_what_names_are_made_of(settings: Settings) -> None:
    (found,) = quick.list_running(settings)
    assert (found.id, found.name, found.pid, found.fqdn) == ("1111", "box", 7, "box.weave.local")
    assert quick.get_running(settings, "1111") == found
    ours = quick.find_our_container(settings, "1111")
    assert ours is not None and ours.is_running and not ours.is_ours


def test_absent_and_idle_containers_are_told_apart(settings: Settings) -> None:
    assert quick.find_running(settings, "nobody") is None
    assert quick.find_running(settings, "idle") is None
    with pytest.raises(DockerProblem, match=r"^Error: No such container: ../../version$"):
        quick.get_running(settings, "../../version")
    with pytest.raises(NotRunning):
        quick.get_running(settings, "idle")


def test_what_goes_wrong_is_told(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DockerProblem, match="something odd"):
        quick.find_running(settings, "odd")
    with pytest.raises(DockerProblem, match="cannot reach Docker"):
        quick.find_running(settings, "text")
    nowhere = read_settings({"DOCKER_HOST": f"unix://{tmp_path}/nowhere"})
    with pytest.raises(DockerProblem, match="No such file or directory") as caught:
        quick.find_running(nowhere, "box")
    assert "Is the Docker daemon running?" in (caught.value.hint or "")


def test_images_are_looked_for_by_name(settings: Settings) -> None:
    assert quick.has_image(settings, "here:1.0")
    assert not quick.has_image(settings, "gone:1.0")
    with pytest.raises(DockerProblem, match="something odd"):
        quick.has_image(settings, "odd:1.0")
