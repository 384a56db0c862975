"""The proxy's container: where it listens, with which certificates, and nothing left of a failure."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.docker_client import FakeEngine
from tests.fakes.reporter import FakeReporter
from weave_cli import names
from weave_cli.containers.lifecycle import AlreadyRunning, NameTaken
from weave_cli.containers.proxy_spec import ProxyOptions, ProxyTls, make_proxy_spec
from weave_cli.errors import DockerProblem, HostProblem, UsageProblem
from weave_cli.operations import preflight, proxy_beacon, setup, stop, waiting
from weave_cli.operations import proxy as room
from weave_cli.operations.proxy_tls import choose_tls, read_daemon_words
from weave_cli.proxy_places import advertise, parse_place
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """On its host all ports are free, the image is there, and a proxy listens once it is started."""
    made = FakeEngine()

    def find_proxy() -> tuple[str, ...] | None:
        found = made.containers.get("weaveproxy")
        return ("unix:///var/run/weave/weave.sock",) if found and found.status == "running" else None

    monkeypatch.setattr(preflight, "find_listener", lambda *_: None)
    monkeypatch.setattr(setup, "find_image", lambda _: "current")
    monkeypatch.setattr(room, "find_proxy", find_proxy)
    monkeypatch.setattr(stop, "find_proxy", find_proxy)
    monkeypatch.setattr(waiting, "_POLL_S", 0.001)
    return made


def _launch(engine: FakeEngine, options: ProxyOptions | None = None, **variables: str) -> FakeReporter:
    reporter = FakeReporter()
    room.launch_proxy(engine.client, read_settings(variables), options or ProxyOptions(), reporter)
    return reporter


def _words(engine: FakeEngine) -> tuple[str, ...]:
    return tuple(engine.containers["weaveproxy"].command)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, "unix:///var/run/weave/weave.sock"),
        ({"DOCKER_HOST": "unix:///srv/docker.sock"}, "unix:///var/run/weave/weave.sock"),
        ({"DOCKER_CLIENT_HOST": "tcp://10.0.0.1:2375"}, "tcp://0.0.0.0:12375"),
    ],
)
def test_it_listens_as_the_user_reaches_docker(
    engine: FakeEngine, variables: dict[str, str], place: str
) -> None:
    _launch(engine, ProxyOptions(detects_tls=False), **variables)

    assert engine.calls == ["create weaveproxy", "start weaveproxy"]
    assert f"-H={place}" in _words(engine)


@pytest.mark.parametrize("place", ["unix://weave.sock", "http://a:1", "tcp://0.0.0.0", "tcp://h:0", "x"])
def test_wrong_places_are_refused_before_anything_is_made(engine: FakeEngine, place: str) -> None:
    with pytest.raises(UsageProblem, match=f"cannot listen on {place}"):
        _launch(engine, ProxyOptions(listen=(place,)))

    assert engine.calls == []


def test_port_of_another_program_is_refused_with_its_name(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "find_listener", lambda *_: "nginx (pid 7)")

    with pytest.raises(HostProblem, match=r"0\.0\.0\.0:80/tcp for the proxy: in use by nginx \(pid 7\)"):
        _launch(engine, ProxyOptions(listen=("tcp://:80",)))

    assert engine.calls == []


def test_second_launch_and_foreign_containers_are_refused(engine: FakeEngine) -> None:
    _launch(engine)
    with pytest.raises(AlreadyRunning, match="already running"):
        _launch(engine)
    stop.stop_proxy(engine.client, read_settings({}), FakeReporter())
    engine.add_container("weaveproxy")
    with pytest.raises(NameTaken):
        _launch(engine)


def test_nothing_is_left_of_one_that_dies(engine: FakeEngine) -> None:
    engine.on_start = lambda container: setattr(container, "status", "exited")

    with pytest.raises(DockerProblem, match="weaveproxy died"):
        _launch(engine)

    assert "weaveproxy" not in engine.containers


def test_stop_warns_who_still_points_to_it(engine: FakeEngine) -> None:
    _launch(engine)
    settings = read_settings({"DOCKER_HOST": "unix:///var/run/weave/weave.sock"})
    reporter = FakeReporter()

    assert "weave env --restore" in stop.stop_proxy(engine.client, settings, reporter)
    assert stop.stop_proxy(engine.client, settings, reporter) == ""
    assert reporter.notices == ["Proxy is not running."]
    assert "remove volume weavewait" not in engine.calls


def test_options_reach_the_program() -> None:
    options = ProxyOptions(
        listen=("tcp://0.0.0.0:12375",), wants_dns=False, wants_default_ipalloc=False, rewrites_hosts=False,
        wants_multicast_route=False, hostname_from_label="a b", hostname_match="(.*)-x",
        rewrites_inspect=True, hostname_replacement="$1", log_level="debug",
    )  # fmt: skip
    settings = read_settings({"WEAVE_PASSWORD": "corr3ct", "WEAVE_MTU": "1400"})
    tls = ProxyTls(certificate="/c/cert.pem", key="/c/key.pem", ca="/c/ca.pem")

    spec = make_proxy_spec(options, settings, image="i", tls=tls)

    assert set(spec.command[3:]) == {
        "-H=tcp://0.0.0.0:12375", "--without-dns", "--no-default-ipalloc", "--no-rewrite-hosts",
        "--no-multicast-route", "--hostname-from-label=a b", "--hostname-match=(.*)-x", "--rewrite-inspect",
        "--hostname-replacement=$1", "--log-level=debug", "--tlscert=/weave/tls/cert.pem",
        "--tlskey=/weave/tls/key.pem", "--tlscacert=/weave/tls/cacert.pem",
    }  # fmt: skip
    assert "/c/key.pem:/weave/tls/key.pem:ro" in map(str, spec.mounts)
    assert dict(spec.environment)["WEAVE_CIDR"] == "none"
    assert "corr3ct" not in repr(spec)


def _daemon(proc: Path, *words: str) -> Path:
    (proc / "17").mkdir(parents=True)
    (proc / "17" / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    return proc


def test_tls_is_that_of_dockers_own_daemon(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_text("")
    words = ["--tlsverify", f"--tlscacert={tmp_path}/ca.pem", "--tlscert", f"{tmp_path}/cert.pem"]
    proc = _daemon(tmp_path / "proc", "/usr/bin/dockerd", "-H", "fd://", *words)
    settings = read_settings({"DOCKER_CERT_PATH": str(tmp_path)})

    assert choose_tls(ProxyOptions(), settings, proc=proc) == ProxyTls(
        certificate=f"{tmp_path}/cert.pem", key=f"{tmp_path}/key.pem", ca=f"{tmp_path}/ca.pem"
    )
    assert choose_tls(ProxyOptions(detects_tls=False), settings, proc=proc) is None
    unverified = choose_tls(ProxyOptions(wants_tls=True), settings, proc=proc)
    assert unverified is not None
    assert unverified.ca is None


def test_tls_of_dockers_configuration_file(tmp_path: Path) -> None:
    for name in ("cert", "key"):
        (tmp_path / f"{name}.pem").write_text("")
    (tmp_path / "daemon.json").write_text(
        json.dumps({"tls": True, "tlscert": f"{tmp_path}/cert.pem", "tlskey": f"{tmp_path}/key.pem"})
    )
    proc = _daemon(tmp_path / "proc", "dockerd", f"--config-file={tmp_path}/daemon.json")

    found = choose_tls(ProxyOptions(), read_settings({}), proc=proc)

    assert found == ProxyTls(certificate=f"{tmp_path}/cert.pem", key=f"{tmp_path}/key.pem")


@pytest.mark.parametrize("content", ["{", None])
def test_a_configuration_that_cannot_be_read_is_not_taken_for_no_tls(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "daemon.json"
    if content is None:
        path.mkdir()  # not even root reads that
    else:
        path.write_text(content)
    proc = _daemon(tmp_path / "proc", "dockerd", f"--config-file={path}")

    with pytest.raises(HostProblem, match=f"cannot read {path}, which says whether"):
        choose_tls(ProxyOptions(), read_settings({}), proc=proc)
    assert choose_tls(ProxyOptions(detects_tls=False), read_settings({}), proc=proc) is None


def test_tls_fails_without_files_or_daemon(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    settings = read_settings({"DOCKER_CERT_PATH": str(tmp_path)})

    with pytest.raises(UsageProblem, match=r"no file .*/cert\.pem"):
        choose_tls(ProxyOptions(verifies=True), settings, proc=tmp_path / "proc")
    with pytest.raises(HostProblem, match="cannot find the process"):
        choose_tls(ProxyOptions(), settings, proc=tmp_path / "proc")


def test_words_of_the_daemon() -> None:
    assert read_daemon_words(["--tls=false", "--tlskey", "/k", "-H", "x", "--tlsverify=1", "--debug"]) == {
        "tls": False,
        "tlskey": "/k",
        "tlsverify": True,
    }


@pytest.mark.parametrize(
    ("text", "shown", "advertised"),
    [
        ("tcp://:5", "tcp://0.0.0.0:5", "tcp://h:5"),
        ("10.0.0.1:5", "tcp://10.0.0.1:5", "tcp://10.0.0.1:5"),
        ("tcp://[::1]:5/", "tcp://[::1]:5", "tcp://[::1]:5"),
        ("/run/x.sock", "unix:///run/x.sock", "unix:///run/x.sock"),
    ],
)
def test_places(text: str, shown: str, advertised: str) -> None:
    assert str(parse_place(text)) == shown
    assert advertise(shown, "h") == advertised


@contextmanager
def _beacon(monkeypatch: pytest.MonkeyPatch, text: bytes) -> Iterator[None]:
    name = f"\0weave/test-{id(text)}"
    monkeypatch.setattr(proxy_beacon, "PROXY_BEACON", name)
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(name)
        opened.listen()

        def serve() -> None:
            caller, _ = opened.accept()
            with caller:
                caller.sendall(text)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def test_proxy_is_found_by_its_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    with _beacon(monkeypatch, b"tcp://0.0.0.0:12375\nunix:///x\n"):
        assert proxy_beacon.find_proxy() == ("tcp://0.0.0.0:12375", "unix:///x")
    assert proxy_beacon.find_proxy() is None
    assert names.PROXY_BEACON.startswith("\0")


def test_environment_that_points_to_the_proxy_means_docker_itself() -> None:
    by_socket = read_settings({"DOCKER_HOST": "unix:///var/run/weave/weave.sock"})
    by_port = read_settings({"DOCKER_HOST": "tcp://127.0.0.1:12375", "ORIG_DOCKER_HOST": "unix:///d.sock"})
    other = read_settings({"DOCKER_HOST": "tcp://127.0.0.1:2375", "ORIG_DOCKER_HOST": ""})

    assert by_socket.docker_socket == "/var/run/docker.sock"
    assert by_port.docker_socket == "/d.sock"
    assert other.endpoint.host == "tcp://127.0.0.1:2375"
    assert other.proxy_name == "127.0.0.1"
    assert read_settings({"DOCKER_HOST": "tcp://10.1.2.3:2375"}).proxy_name == "10.1.2.3"
    assert read_settings({"PROXY_HOST": "h"}).proxy_name == "h"
