"""Options that may stand alone: what is behind them is their value only if it can be one."""

from __future__ import annotations

import pytest

from weave_cli.commands.launch import launch
from weave_cli.commands.usage import fill_in

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--wait", "--wait=1m"),
        ("--wait host2", "--wait=1m host2"),
        ("--wait 30s host2", "--wait=30s host2"),
        ("--wait=30s host2", "--wait=30s host2"),
        ("host2 --wait", "host2 --wait=1m"),
        ("--wait --no-dns", "--wait=1m --no-dns"),
        ("-- --wait", "-- --wait"),
        ("--waiting", "--waiting"),
    ],
)
def test_value_is_taken_where_there_is_one(typed: str, meant: str) -> None:
    assert fill_in(launch, typed.split()) == meant.split()


def test_peers_stay_peers() -> None:
    context = launch.make_context("launch", ["--wait", "host2", "host3"])
    assert (context.params["wait"], context.params["peers"]) == (60.0, ("host2", "host3"))
    context = launch.make_context("launch", ["host2", "--wait", "90", "host3"])
    assert (context.params["wait"], context.params["peers"]) == (90.0, ("host2", "host3"))
