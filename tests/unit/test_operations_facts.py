"""What operations ask of the host: routes, addresses, lock, naming options."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from tests.fakes.reporter import FakeReporter
from tests.fakes.router_http import serving
from weave_cli.addresses import parse_cidr
from weave_cli.api import dns_question
from weave_cli.errors import HostProblem, RouterProblem, UsageProblem
from weave_cli.host import routes
from weave_cli.operations import preflight
from weave_cli.operations.host_facts import find_interface_address
from weave_cli.operations.lock import alone_with, exclusively
from weave_cli.operations.naming import look_up, make_dns_arguments
from weave_cli.settings import Settings, read_settings

pytestmark = pytest.mark.unit

# As /proc/net/route has them: numbers in the byte order of the machine, here little-endian.
_ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\tFE00D00A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000D00A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
weave\t0000200A\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def _have_routes(table: str, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    path = directory / "route"
    path.write_text(table)
    monkeypatch.setattr(routes, "_ROUTES", path)


@pytest.mark.parametrize(
    ("wanted", "clash"),
    [
        ("10.208.0.0/16", "10.208.0.0/24"),
        ("10.208.0.128/25", "10.208.0.0/24"),
        ("10.32.0.0/12", None),  # on our own bridge
        ("192.168.0.0/16", None),  # only the default route covers it
    ],
)
def test_range_clashes_with_routes_but_not_with_our_own_nor_the_default(
    wanted: str, clash: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _have_routes(_ROUTES, monkeypatch, tmp_path)
    found = preflight.find_overlap(parse_cidr(wanted))
    assert (str(found[0]) if found else None) == clash


def test_default_range_that_clashes_is_an_error_and_a_chosen_one_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _have_routes(_ROUTES.replace("0000D00A", "0000250A"), monkeypatch, tmp_path)  # 10.37.0.0/24
    reporter = FakeReporter()
    with pytest.raises(HostProblem) as caught:
        preflight.check_range(None, reporter)
    assert "10.37.0.0/24" in caught.value.message
    assert "--ipalloc-range" in (caught.value.hint or "")
    preflight.check_range("10.37.0.0/16", reporter)
    assert len(reporter.notices) == 1
    preflight.check_range("", reporter)
    assert len(reporter.notices) == 1


@pytest.mark.parametrize(
    ("given", "subnet"), [("10.2.0.0/16", "10.3.0.0/24"), (None, "10.48.0.0/24"), ("", "10.32.0.0/24")]
)
def test_default_subnet_outside_the_range_is_refused(given: str | None, subnet: str) -> None:
    with pytest.raises(UsageProblem, match=subnet):
        preflight.check_subnet(given, subnet)


def test_default_subnet_inside_the_range_passes() -> None:
    preflight.check_subnet("10.2.0.0/16", "10.2.3.0/24")
    preflight.check_subnet(None, "10.32.3.0/24")
    preflight.check_subnet("", None)


def test_first_ring_needs_a_range() -> None:
    with pytest.raises(UsageProblem, match="--ipalloc-init observer needs an allocation range"):
        preflight.check_first_ring("", "observer")
    preflight.check_first_ring("", None)
    preflight.check_first_ring(None, "observer")


def test_address_of_an_interface_is_read_without_help() -> None:
    assert find_interface_address("lo") == "127.0.0.1"
    assert find_interface_address("no-such-device") is None


def test_lock_waits_for_the_one_before_and_says_so(tmp_path: Path) -> None:
    path, reporter = tmp_path / "lock", FakeReporter()
    entered = threading.Event()

    def other() -> None:
        with exclusively(reporter, path=path):
            entered.set()

    first = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(first, fcntl.LOCK_EX)
    waiting = threading.Thread(target=other)
    waiting.start()
    while not reporter.steps:
        waiting.join(0.01)
    assert not entered.is_set()
    os.close(first)
    waiting.join()
    assert entered.is_set()
    assert reporter.steps == ["waiting for another weave command to end"]


def test_owners_have_locks_of_their_own(tmp_path: Path) -> None:
    path, reporter = tmp_path / "lock", FakeReporter()
    ended = threading.Event()

    def same() -> None:
        with alone_with("a" * 64, reporter, path=path):
            ended.set()

    waiting = threading.Thread(target=same)
    with alone_with("a" * 64, FakeReporter(), path=path):
        with alone_with("b" * 64, reporter, path=path), exclusively(reporter, path=path):
            assert reporter.steps == [], "neither another owner's nor the host's"
        waiting.start()
        while not reporter.steps:
            waiting.join(0.01)
        assert not ended.is_set()
    waiting.join()
    assert ended.is_set()
    assert reporter.steps == ["waiting for another weave command to end"]


def test_lock_is_free_again_after_a_failure(tmp_path: Path) -> None:
    reporter = FakeReporter()
    with pytest.raises(RuntimeError), exclusively(reporter, path=tmp_path / "lock"):
        raise RuntimeError
    with exclusively(reporter, path=tmp_path / "lock"):
        assert reporter.steps == []


def test_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(HostProblem, match="no-folder"),
        exclusively(FakeReporter(), path=tmp_path / "no-folder/x"),
    ):
        pass


def _settings(address: str) -> Settings:
    return read_settings({"WEAVE_HTTP_ADDR": address, "DOCKER_BRIDGE": "lo"})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "--dns=127.0.0.1 --dns-search=weave.local."),
        ("--name web", "--dns=127.0.0.1 --hostname=web.weave.local --dns-search=."),
        ("--name=web -h other.weave.local", "--dns=127.0.0.1 --dns-search=."),
        ("--hostname=other.weave.local", "--dns=127.0.0.1 --dns-search=."),
        ("--name=web --dns-search=example.com", "--dns=127.0.0.1 --hostname=web.weave.local"),
        ("--dns-search example.com", "--dns=127.0.0.1"),
        ("--without-dns --name=web", ""),
        ("-d --rm image", "--dns=127.0.0.1 --dns-search=weave.local."),
    ],
)
def test_dns_arguments_follow_those_of_docker_run(words: str, expected: str) -> None:
    with serving({"GET /domain": (200, "weave.local.")}) as api:
        assert make_dns_arguments(words.split(), _settings(api.address), FakeReporter()) == expected


def test_name_too_long_for_a_hostname_is_left_out_and_said() -> None:
    reporter = FakeReporter()
    with serving({"GET /domain": (200, "weave.local.")}) as api:
        settings = _settings(api.address)
        fits, too_long = "x" * 52, "x" * 53
        assert f"--hostname={fits}.weave.local" in make_dns_arguments(["--name", fits], settings, reporter)
        assert reporter.notices == []
        assert make_dns_arguments(["--name", too_long], settings, reporter) == (
            "--dns=127.0.0.1 --dns-search=weave.local."
        )
    assert too_long in reporter.notices[0]


def test_dns_arguments_are_empty_without_weave_dns() -> None:
    with serving({}) as api:
        assert make_dns_arguments([], _settings(api.address), FakeReporter()) == ""


def test_dns_arguments_of_a_router_that_is_down_have_the_default_domain() -> None:
    assert make_dns_arguments([], _settings("127.0.0.1:9"), FakeReporter()).endswith(
        " --dns-search=weave.local."
    )


def test_dns_arguments_need_dockers_bridge() -> None:
    with serving({"GET /domain": (200, "weave.local.")}) as api:
        settings = read_settings({"WEAVE_HTTP_ADDR": api.address, "DOCKER_BRIDGE": "no-such-device"})
        with pytest.raises(HostProblem, match="no-such-device"):
            make_dns_arguments([], settings, FakeReporter())


def test_look_up_asks_weave_dns_at_dockers_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def answer(name: str, server: str, **_: object) -> list[str]:
        asked.append((name, server))
        return ["10.32.0.1", "10.32.0.2"]

    monkeypatch.setattr(dns_question, "ask_addresses", answer)
    with serving({"GET /domain": (200, "weave.local.")}) as api:
        assert look_up("web", _settings(api.address)) == ["10.32.0.1", "10.32.0.2"]
    assert asked == [("web", "127.0.0.1")]


def test_look_up_without_weave_dns_says_so() -> None:
    with serving({}) as api, pytest.raises(RouterProblem, match="switched off"):
        look_up("web", _settings(api.address))


@pytest.mark.parametrize("failure", [TimeoutError, ConnectionRefusedError, dns_question.BadAnswer])
def test_look_up_names_the_server_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure()

    monkeypatch.setattr(dns_question, "ask_addresses", fail)
    with serving({"GET /domain": (200, "weave.local.")}) as api:
        with pytest.raises(RouterProblem, match=r"does not answer at 127\.0\.0\.1"):
            look_up("web", _settings(api.address))


def test_look_up_of_an_impossible_name_is_refused() -> None:
    with serving({"GET /domain": (200, "weave.local.")}) as api:
        with pytest.raises(UsageProblem, match="a\\.\\.b"):
            look_up("a..b", _settings(api.address))
