"""Expose and hide: what is asked of the router, what is done without one, and what is undone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.fakes.reporter import FakeReporter
from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.addresses import Cidr, parse_cidr, split_wishes
from weave_cli.errors import RouterProblem, UsageProblem
from weave_cli.host.rules import Exposure, FirewallFacts
from weave_cli.operations import attach, preflight
from weave_cli.operations import expose as room
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

DOWN = "127.0.0.1:9"


class Bridge:
    """The bridge's addresses in memory, and the exposures that the firewall was told last."""

    def __init__(self) -> None:
        self.cidrs: list[Cidr] = []
        self.rules: tuple[Exposure, ...] = ()

    def read_exposures(self) -> tuple[Exposure, ...]:
        known = {one.cidr: one for one in self.rules}
        return tuple(known.get(cidr, Exposure(cidr, masquerades=False)) for cidr in self.cidrs)

    def remove(self, cidr: Cidr) -> bool:
        if cidr not in self.cidrs:
            return False
        self.cidrs.remove(cidr)
        return True

    def ensure_rules(self, facts: FirewallFacts) -> bool:
        self.rules = facts.exposures
        return True


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> Bridge:
    made = Bridge()
    monkeypatch.setattr(room, "exclusively", lambda _: nullcontext())
    monkeypatch.setattr(room, "alone_with", lambda *_: nullcontext())
    monkeypatch.setattr(preflight, "find_overlap", lambda *_: None)
    for each in (room, attach):
        monkeypatch.setattr(each, "is_router_down", lambda _: True)
        monkeypatch.setattr(each, "explain_unreachable", lambda problem, _: problem)
    monkeypatch.setattr(room, "ensure_bridge", lambda _: None)
    monkeypatch.setattr(room, "read_exposed", lambda: tuple(made.cidrs))
    monkeypatch.setattr(room, "read_exposures", made.read_exposures)
    monkeypatch.setattr(room, "ensure_exposed", made.cidrs.extend)
    monkeypatch.setattr(room, "remove_exposed", made.remove)
    monkeypatch.setattr(room, "ensure_rules", made.ensure_rules)
    return made


@pytest.fixture
def api() -> Iterator[FakeRouterApi]:
    answers = {
        "POST /ip/weave:expose": (200, "10.32.0.1/12"),
        "GET /ip/weave:expose": (200, "10.32.0.1/12"),
        "DELETE /ip/weave:expose/10.32.0.1": (204, ""),
        "PUT /ip/weave:expose/10.2.1.1/24": (204, ""),
        **{
            f"{method} /expose/{cidr}": (204, "")
            for method in ("POST", "DELETE")
            for cidr in ("10.32.0.1/12", "10.2.1.1/24")
        },
        **{
            f"{method} /name/weave:expose/{address}": (204, "")
            for method in ("PUT", "DELETE")
            for address in ("10.32.0.1", "10.2.1.1")
        },
    }
    with serving(answers) as served:
        yield served


def expose(address: str, words: str = "", fqdn: str | None = None, *, masquerades: bool = True) -> list[str]:
    wishes, _ = split_wishes(words.split())
    settings = read_settings({"WEAVE_HTTP_ADDR": address})
    return list(map(str, room.expose(settings, wishes, FakeReporter(), fqdn=fqdn, masquerades=masquerades)))


def hide(address: str, words: str = "") -> list[str]:
    wishes, _ = split_wishes(words.split())
    return list(map(str, room.hide(read_settings({"WEAVE_HTTP_ADDR": address}), wishes, FakeReporter())))


def asked(api: FakeRouterApi) -> list[str]:
    return [f"{request} {body}".strip() for request, body in api.asked]


def test_the_router_exposes_and_names(bridge: Bridge, api: FakeRouterApi) -> None:
    assert expose(api.address, "10.2.1.1/24 net:default", "gate.weave.local") == [
        "10.2.1.1/24",
        "10.32.0.1/12",
    ]
    assert asked(api) == [
        "PUT /ip/weave:expose/10.2.1.1/24",
        "POST /ip/weave:expose",
        "POST /expose/10.2.1.1/24",
        "PUT /name/weave:expose/10.2.1.1 fqdn=gate.weave.local",
        "POST /expose/10.32.0.1/12",
        "PUT /name/weave:expose/10.32.0.1 fqdn=gate.weave.local",
    ]
    assert bridge.cidrs == [], "the router's own work"


def test_without_masquerade_is_for_the_router_to_know(bridge: Bridge, api: FakeRouterApi) -> None:
    expose(api.address, masquerades=False)
    assert ("POST /expose/10.32.0.1/12", "skipNAT=true") in api.asked


def test_hide_takes_names_along_and_releases_what_was_allocated(bridge: Bridge, api: FakeRouterApi) -> None:
    assert hide(api.address, "10.2.1.1/24 net:default") == ["10.2.1.1/24", "10.32.0.1/12"]
    assert asked(api) == [
        "GET /ip/weave:expose",
        "DELETE /expose/10.2.1.1/24",
        "DELETE /name/weave:expose/10.2.1.1",
        "DELETE /expose/10.32.0.1/12",
        "DELETE /name/weave:expose/10.32.0.1",
        "DELETE /ip/weave:expose/10.2.1.1",
        "DELETE /ip/weave:expose/10.32.0.1",
    ]


def test_nothing_to_hide_is_no_error(bridge: Bridge, api: FakeRouterApi) -> None:
    api.answers["GET /ip/weave:expose"] = (200, "")
    assert hide(api.address) == []
    api.answers.clear()
    assert hide(api.address) == [], "nor without an allocator"


def test_fixed_addresses_need_no_router(bridge: Bridge) -> None:
    assert expose(DOWN, "10.2.1.1/24 10.3.1.1/24") == ["10.2.1.1/24", "10.3.1.1/24"]
    one, two = parse_cidr("10.2.1.1/24"), parse_cidr("10.3.1.1/24")
    assert bridge.cidrs == [one, two]
    assert bridge.rules == (Exposure(one), Exposure(two))
    assert hide(DOWN, "10.2.1.1/24 10.9.9.9/24") == ["10.2.1.1/24", "10.9.9.9/24"]
    assert bridge.cidrs == [one.cidr for one in bridge.rules] == [two]


def test_others_need_one(bridge: Bridge) -> None:
    with pytest.raises(RouterProblem):
        expose(DOWN, "10.2.1.1/24 net:default")
    with pytest.raises(RouterProblem):
        hide(DOWN)
    assert bridge.cidrs == []


def test_what_was_begun_is_undone(bridge: Bridge, api: FakeRouterApi) -> None:
    api.answers["POST /expose/10.32.0.1/12"] = (500, "unable to expose: no\n")
    with pytest.raises(RouterProblem, match="unable to expose: no"):
        expose(api.address, "10.2.1.1/24 net:default")
    assert {
        "DELETE /expose/10.2.1.1/24",
        "DELETE /expose/10.32.0.1/12",
        "DELETE /ip/weave:expose/10.2.1.1",
        "DELETE /ip/weave:expose/10.32.0.1",
    } <= set(asked(api))


def test_what_was_exposed_before_stays_when_something_fails(bridge: Bridge, api: FakeRouterApi) -> None:
    bridge.cidrs = [parse_cidr("10.32.0.1/12")]
    api.answers["PUT /ip/weave:expose/10.2.1.1/24"] = (400, "Unable to claim: taken\n")
    with pytest.raises(RouterProblem, match="taken"):
        expose(api.address, "net:default 10.2.1.1/24")
    assert not any("10.32.0.1" in request for request in asked(api) if request.startswith("DELETE"))


def test_subnets_need_an_allocator(bridge: Bridge, api: FakeRouterApi) -> None:
    api.answers.clear()
    with pytest.raises(UsageProblem, match="IP address allocation must be enabled"):
        expose(api.address)
