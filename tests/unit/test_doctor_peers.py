"""Clocks and names of the other hosts, and how far what they tell is believed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_doctor_checks import complaints
from weave_cli.addresses import parse_cidr
from weave_cli.api.sync import RouterClient
from weave_cli.doctor.checks.peers import PeerFacts, check_clocks, check_names
from weave_cli.doctor.facts.peers import read_peers
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_US = PeerFacts(name="7a:00:00:00:00:01", nickname="host1", skew_s=0.0)


def peer(skew_s: float | None, nickname: str = "host2") -> PeerFacts:
    return PeerFacts(name="7a:00:00:00:00:02", nickname=nickname, skew_s=skew_s)


@pytest.mark.parametrize(
    ("skew_s", "expected"),
    [
        (0.4, []),
        (-4.9, []),
        (None, ["clocks.skew note"]),
        (60.0, ["clocks.skew warning"]),
        (-901.0, ["clocks.skew failure"]),
    ],
)
def test_clocks(skew_s: float | None, expected: list[str]) -> None:
    assert complaints(check_clocks([peer(skew_s)])) == expected


def test_hosts_of_one_name() -> None:
    assert complaints(check_names(_US, [peer(0.0)])) == []
    assert complaints(check_names(_US, [peer(0.0, "host1")])) == ["names.nickname warning"]


def test_of_what_peers_tell_only_what_makes_sense_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    routes: list[Any] = [
        {"route": "10.40.0.0/16", "device": "eth1"},
        {"route": "10.40.0.0/99", "device": "eth1"},
        {"route": "10.40.0.0/16", "device": "\x1b[31m"},
        {"route": 7, "device": "eth1"},
        "nonsense",
    ]
    answers = [
        {"name": "a", "nickname": "one", "content": {"skewS": 2.5, "overlappingRoutes": routes}},
        {"name": "b", "nickname": "", "content": {"skewS": float("nan"), "overlappingRoutes": 7}},
        {"name": "c", "nickname": "go", "content": None},
    ]
    monkeypatch.setattr(RouterClient, "inquire", lambda *_: answers)
    assert list(read_peers(read_settings({}))) == [
        PeerFacts(
            name="a", nickname="one", skew_s=2.5, overlaps=((parse_cidr("10.40.0.0/16"), "eth1"),), tells=True
        ),
        PeerFacts(name="b", nickname="b", skew_s=None, tells=True),
        PeerFacts(name="c", nickname="go", skew_s=None),
    ]
