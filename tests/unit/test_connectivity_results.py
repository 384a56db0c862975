"""On which leg packets got lost, as a table: what passed, what is known beside it, and the leg."""

from __future__ import annotations

from dataclasses import replace

import pytest

from weave_cli.connectivity.results import (
    PROBES,
    Evidence,
    Link,
    Loss,
    ProbeResult,
    TargetResult,
    diagnose,
    find_notice,
)
from weave_cli.output.connectivity import lay_out

pytestmark = pytest.mark.unit

_UP = Link(state="established", overlay="vxlan")
_FINE = Evidence(arp=True, local_passed=True, link=_UP, seen={"arp": 1, "icmp": 3, "udp": 3, "tcp": 3})


def probes(*failed: str) -> tuple[ProbeResult, ...]:
    return tuple(ProbeResult(probe=one, passed=one not in failed, detail="x") for one in PROBES)


def leg(host: str, failed: str, evidence: Evidence) -> str | None:
    loss = diagnose(host, probes(*failed.split()), evidence)
    return None if loss is None else loss.leg


_ALL = "address udp tcp mtu multicast"


@pytest.mark.parametrize(
    ("failed", "evidence", "expected"),
    [
        ("", _FINE, None),
        ("name", _FINE, "dns"),
        (_ALL, replace(_FINE, arp=False), "container-bridge"),
        (_ALL, _FINE, "container-bridge"),
        ("mtu", _FINE, "container-bridge"),
        ("multicast name", _FINE, "container-bridge"),
    ],
)
def test_leg_between_containers_of_this_host(failed: str, evidence: Evidence, expected: str | None) -> None:
    assert leg("", failed, evidence) == expected


@pytest.mark.parametrize(
    ("failed", "evidence", "expected"),
    [
        ("", _FINE, None),
        ("name", _FINE, "dns"),
        (_ALL, replace(_FINE, local_passed=False), "container-bridge"),
        (_ALL, replace(_FINE, link=Link(state="failed", overlay=None)), "router-router"),
        (_ALL, replace(_FINE, link=Link(state="established", overlay=None)), "router-router"),
        (_ALL, replace(_FINE, seen=None), "peer-router"),
        (_ALL, replace(_FINE, arp=False, seen={}), "router-router"),
        (_ALL, replace(_FINE, link=None, arp=False, seen={}), "router-router"),
        (_ALL, replace(_FINE, arp=False, seen={"arp": 3}), "router-router"),
        (_ALL, replace(_FINE, seen={"arp": 1}), "peer-bridge"),
        ("tcp", _FINE, "peer-bridge"),
        ("mtu", _FINE, "router-router"),
        ("multicast", _FINE, "router-router"),
    ],
)
def test_leg_to_another_host(failed: str, evidence: Evidence, expected: str | None) -> None:
    assert leg("host2", failed, evidence) == expected


def test_reason_names_the_host_and_why_vxlan_does_not_carry() -> None:
    link = Link(state="established", overlay="sleeve", reason="no heartbeats through UDP port 6784")
    loss = diagnose("host2", probes("multicast"), replace(_FINE, link=link))
    assert loss is not None
    assert "host2" in loss.reason and "UDP port 6784" in loss.reason


@pytest.mark.parametrize(
    ("link", "is_told"),
    [
        (None, False),
        (_UP, False),
        (Link(state="established", overlay="sleeve", reason="no heartbeats"), True),
        (Link(state="established", overlay="sleeve", reason="the peer does not offer it"), False),
    ],
)
def test_slow_way_is_told_unless_there_is_no_other(link: Link | None, is_told: bool) -> None:
    assert bool(find_notice(link)) == is_told


def test_results_are_words() -> None:
    fine = TargetResult(host="", address="10.32.0.2", probes=probes()[:1])
    broken = TargetResult(
        host="host2",
        address="10.40.0.0",
        probes=probes("udp")[1:2],
        loss=Loss(leg="peer-bridge", reason="dropped", mend="weave doctor"),
    )
    assert ["".join(text for _, text in line) for line in lay_out([fine, broken])] == [
        "this host at 10.32.0.2",
        "  ok     address   x",
        "host2 at 10.40.0.0",
        "  FAILED udp       x",
        "  lost on the leg peer-bridge: dropped",
        "  look: weave doctor",
        "1 of 2 FAILED",
    ]
