"""What users see of the allocator while two hosts elect, share, lose each other and leave: as Go shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.allocators import FakeAllocatorMesh, FakePeer
from tests.fakes.mesh_reports import mesh_report
from tests.vectors.load import load
from weave_cli.names import format_peer_name
from weave_cli.reports import Report
from weave_cli.router.http import status_text
from weave_cli.router.ipam.allocator import Setup
from weave_cli.router.runtime.reporting import report_addresses

SITUATIONS: list[dict[str, Any]] = load("http-samples-situations")["vectors"]


def report_of(peer: FakePeer) -> Report:
    """A report of which only the allocator's part is real."""
    report = mesh_report(1)
    report["Router"]["Name"] = format_peer_name(peer.name)
    report["IPAM"] = report_addresses(peer.allocator)
    return report


def allocator_block(page: str) -> str:
    """The part of the page `/status` that tells of the allocator."""
    _, _, rest = page.partition("        Service: ipam\n")
    return rest.partition("\n\n")[0].rstrip("\n")


def ask(peer: FakePeer, sample: dict[str, Any]) -> str | None:
    """The body of an answer; None when there is none, and for pages that are not about addresses."""
    mesh, path = peer.mesh, sample["path"]
    match sample["method"], path.strip("/").split("/"):
        case "GET", ["status"]:
            return allocator_block(status_text.overview(report_of(peer)))
        case "GET", ["status", "ipam"]:
            return status_text.ipam(report_of(peer))
        case "GET", [report] if report.startswith("report?format="):
            return json.dumps(report_addresses(peer.allocator), separators=(",", ":"))
        case "POST", ["ip", ident]:
            number = peer.allocate(ident)
            mesh.wait(1)
            return None if number not in peer.answers else str(peer.answers[number])
        case "PUT", ["ip", ident, address, prefix_len]:
            number = peer.claim(ident, f"{address}/{prefix_len}")
            mesh.wait(1)
            answer = peer.answers[number]
            return f"{answer}\n" if isinstance(answer, str) else ""
        case "DELETE", ["peer", other]:
            return f"{peer.take_over(other)} IPs taken over from {other}\n"
        case "DELETE", ["peer"]:
            peer.leave()
            mesh.deliver()
            return ""
    return None


def expected(sample: dict[str, Any]) -> str | None:
    if sample["path"] == "/status":
        return allocator_block(sample["body"])
    body: str | None = sample.get("body")
    return body


def play(peer: FakePeer, situation: dict[str, Any]) -> int:
    """Ask all that the recorded router was asked; how many answers were compared."""
    compared = 0
    for sample in situation["requests"]:
        if sample["path"] in ("/status/connections", "/status/targets"):
            continue
        assert ask(peer, sample) == expected(sample), sample["path"]
        compared += 1
    return compared


def test_two_hosts_are_shown_as_the_go_routers_show_them() -> None:
    alone, joined, at_second, after_kill = SITUATIONS
    mesh = FakeAllocatorMesh(1, whole="10.32.0.0/12")
    one = mesh.add(1, Setup(peer_count=3))
    compared = play(one, alone)
    (given_up,) = one.allocator.view().pending_allocations
    one.do(lambda allocator: allocator.cancel(given_up.request, mesh.now))
    two = mesh.add(2, Setup(peer_count=3))
    mesh.wait(6)
    compared += play(one, joined)
    compared += play(two, at_second)
    mesh.gossip()
    del mesh.peers[one.name]
    compared += play(two, after_kill)
    assert compared == 23


@pytest.mark.parametrize("is_asked", [False, True])
def test_observer_that_nobody_answers_is_priming_once_it_is_asked(is_asked: bool) -> None:
    mesh = FakeAllocatorMesh(1, whole="10.32.0.0/12")
    observer = mesh.add(1, Setup(is_observer=True))
    if is_asked:
        observer.allocate("c1")
    page = allocator_block(status_text.overview(report_of(observer)))
    assert page.startswith("         Status: priming\n" if is_asked else "         Status: idle\n")
    part = report_addresses(observer.allocator)
    assert part["Paxos"] == ({"Elector": False, "KnownNodes": 0, "Quorum": 0} if is_asked else None)
    assert part["PendingAllocates"] == (["c1 10.32.0.0/12"] if is_asked else None)


def test_range_that_is_used_up_says_who_waits() -> None:
    mesh = FakeAllocatorMesh(1, whole="10.32.0.0/30")
    peer = mesh.add(1)
    for ident in ("c1", "c2", "c3"):
        peer.allocate(ident)
    part = report_addresses(peer.allocator)
    assert part["PendingAllocates"] == ["c3 10.32.0.0/30"]
    page = allocator_block(status_text.overview(report_of(peer)))
    assert page.startswith("         Status: waiting for IP(s) to become available\n")


def test_entry_that_wraps_is_shown_as_two_in_the_order_of_addresses() -> None:
    mesh = FakeAllocatorMesh(1, whole="10.32.0.0/30")
    one, two = mesh.add(1), mesh.add(2)
    one.wait_for_ring()
    mesh.gossip()
    two.claim("c", "10.32.0.0/30")
    mesh.gossip()
    del mesh.peers[two.name]
    entries = report_addresses(one.allocator)["Entries"] or []
    assert [(one["Token"], one["Size"], one["IsKnownPeer"]) for one in entries] == [
        ("10.32.0.0", 1, False),
        ("10.32.0.1", 3, True),
    ]
