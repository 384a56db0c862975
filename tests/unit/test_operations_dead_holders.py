"""Addresses of containers that have died are had by whoever claims them; those of the living are not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.docker_client import FakeEngine, answer_quickly
from tests.fakes.router_http import serving
from weave_cli.addresses import parse_cidr
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.containers import quick
from weave_cli.errors import RouterProblem
from weave_cli.operations.dead_holders import claim_from_the_dead
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit

_OUTSIDE = "Unable to claim: address 10.2.1.1/24 already in use by {}"
_INSIDE = "Unable to claim: address 10.2.1.1/24 is already owned by {}"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    made = FakeEngine()

    def ask(_: object, method: str, path: str) -> tuple[int, Any]:
        return answer_quickly(made, path)

    monkeypatch.setattr(quick, "call", ask)
    return made


def claims(words: str, holder: str) -> list[str]:
    """What is asked of a router that always refuses with these words."""
    with serving(
        {"PUT /ip/new/10.2.1.1/24": (400, words.format(holder)), f"DELETE /ip/{holder}/10.2.1.1": (204, "")}
    ) as api:
        settings = read_settings({"WEAVE_HTTP_ADDR": api.address})
        with pytest.raises(RouterProblem, match="Unable to claim"):
            claim_from_the_dead(
                RouterClient(settings.http_address), "new", parse_cidr("10.2.1.1/24"), settings
            )
        return [request.split()[0] for request, _ in api.asked]


_TAKEN = ["PUT", "DELETE", "PUT"]


@pytest.mark.parametrize(
    ("words", "status", "asked"),
    [
        (_OUTSIDE, "running", ["PUT"]),
        (_OUTSIDE, "restarting", ["PUT"]),
        (_OUTSIDE, "exited", _TAKEN),
        (_INSIDE, "running", ["PUT"]),
        (_INSIDE, "exited", ["PUT"]),
        ("Unable to claim: address 10.2.1.1/24 is owned by other peer 7a::1(host2)", "exited", ["PUT"]),
    ],
)
def test_only_the_dead_lose_addresses(engine: FakeEngine, words: str, status: str, asked: list[str]) -> None:
    holder = engine.add_container("holder", status=status)
    assert claims(words, holder.id) == asked


@pytest.mark.parametrize("words", [_OUTSIDE, _INSIDE])
def test_who_is_removed_loses_all(engine: FakeEngine, words: str) -> None:
    assert claims(words, "f" * 64) == _TAKEN


def test_a_router_that_is_not_there_is_told_as_ever(engine: FakeEngine) -> None:
    settings = read_settings({"WEAVE_HTTP_ADDR": "127.0.0.1:9"})
    with pytest.raises(RouterUnreachable):
        claim_from_the_dead(RouterClient(settings.http_address), "new", parse_cidr("10.2.1.1/24"), settings)
