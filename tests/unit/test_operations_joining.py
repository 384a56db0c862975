"""Who is still missing after a launch, as the router tells it, and for how long that is waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.fakes.mesh_reports import mesh_report
from tests.fakes.reporter import FakeReporter
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.api.sync import RouterClient
from weave_cli.operations.joining import Awaited, NotJoined, find_missing, resolve, wait_until_joined
from weave_cli.reports import Report, RingEntry

pytestmark = pytest.mark.unit

_OURS: RingEntry = {
    "Token": "10.32.0.0",
    "Size": 1 << 20,
    "Peer": "7a:42:00:00:00:01",
    "Nickname": "host1",
    "IsKnownPeer": True,
    "Version": 1,
}


def _report(*dead_targets: str, is_divided: bool = True, pending: bool = False) -> Report:
    report = mesh_report(2, dead_targets=dead_targets, pending={(1, 2)} if pending else ())
    report["IPAM"]["Entries"] = [_OURS] if is_divided else None
    return report


def _at(ip: str | None, port: int = 6783) -> Awaited:
    return Awaited(text="host2", ip=ip, port=port)


def test_connected_peers_are_not_missing() -> None:
    assert find_missing(_report(), [_at("10.0.0.2")]) == {}


def test_peer_that_dialled_us_counts_whatever_its_port() -> None:
    report = _report()
    report["Router"]["Connections"][0] |= {"Address": "10.0.0.2:47529", "Outbound": False}
    assert find_missing(report, [_at("10.0.0.2")]) == {}


@pytest.mark.parametrize(
    ("report", "peer", "reason"),
    [
        (
            _report("10.0.0.9:6783"),
            _at("10.0.0.9"),
            "dial tcp 10.0.0.9:6783: connect: connection refused, retry: never",
        ),
        (_report(), _at("10.0.0.2", 7000), "not tried yet"),
        (_report(), _at(None), "its name cannot be resolved"),
        (_report(pending=True), _at("10.0.0.2"), "pending none   7a:42:00:00:00:02(host2)"),
    ],
)
def test_missing_peers_have_a_reason(report: Report, peer: Awaited, reason: str) -> None:
    assert find_missing(report, [peer]) == {"host2": reason}


def test_range_that_nobody_divided_is_missing() -> None:
    report = _report(is_divided=False)
    assert find_missing(report, []) == {"the address range": "nobody has divided it yet"}
    report["IPAM"]["Paxos"] = {"Elector": True, "KnownNodes": 1, "Quorum": 2}
    assert find_missing(report, []) == {"the address range": "awaiting consensus (quorum: 2, known: 1)"}
    del report["IPAM"]
    assert find_missing(report, []) == {}


def test_peers_are_resolved_with_their_port() -> None:
    assert resolve("127.0.0.1", 6783) == Awaited(text="127.0.0.1", ip="127.0.0.1", port=6783)
    assert resolve("localhost:7000", 6783) == Awaited(text="localhost:7000", ip="127.0.0.1", port=7000)
    assert resolve("no-such-host.invalid", 6783).ip is None


@pytest.fixture
def api() -> Iterator[FakeRouterApi]:
    with serving({"GET /report": (200, json.dumps(_report())), "GET /ring": (200, "")}) as served:
        yield served


def _wait(api: FakeRouterApi, *peers: str, limit_s: float = 30) -> FakeReporter:
    reporter = FakeReporter()
    wait_until_joined(RouterClient(api.address), peers, port=6783, limit_s=limit_s, reporter=reporter)
    return reporter


def test_wait_is_over_when_nobody_is_missing(api: FakeRouterApi) -> None:
    _wait(api, "10.0.0.2")
    assert api.asked == [("GET /report", "")]


def test_wait_in_vain_names_peer_and_reason(api: FakeRouterApi) -> None:
    api.answers["GET /report"] = (200, json.dumps(_report(pending=True)))
    with pytest.raises(NotJoined) as caught:
        _wait(api, "10.0.0.2", "10.0.0.3", limit_s=0.3)
    assert str(caught.value) == (
        "weave runs, but after 0.3s it still waits for:\n"
        "  10.0.0.2: pending none   7a:42:00:00:00:02(host2)\n"
        "  10.0.0.3: not tried yet"
    )
    assert caught.value.exit_status == 4


def test_peer_that_never_will_be_there_is_not_waited_for(api: FakeRouterApi) -> None:
    api.answers["GET /report"] = (200, json.dumps(_report("10.0.0.9:6783")))
    with pytest.raises(NotJoined, match="retry: never"):
        _wait(api, "10.0.0.9", limit_s=3600)


def test_range_is_asked_for_once(api: FakeRouterApi) -> None:
    api.answers["GET /report"] = (200, json.dumps(_report(is_divided=False)))
    with pytest.raises(NotJoined, match="the address range: nobody has divided it yet"):
        _wait(api, limit_s=1)
    assert [request for request, _ in api.asked].count("GET /ring") == 1


def test_router_that_does_not_answer_is_what_is_missing() -> None:
    api = RouterClient("127.0.0.1:9")
    with pytest.raises(NotJoined, match="the router: it does not answer"):
        wait_until_joined(api, ["10.0.0.2"], port=6783, limit_s=0.1, reporter=FakeReporter())
