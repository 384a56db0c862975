"""Which hosts a trial tries: all of the mesh, or those that were named, by whatever name they go."""

from __future__ import annotations

from typing import Any

import click
import pytest

from weave_cli.commands.connectivity import connectivity
from weave_cli.connectivity.hosts import choose_hosts
from weave_cli.errors import UsageProblem

pytestmark = pytest.mark.unit

_ONE, _TWO, _THREE = (f"7a:00:00:00:00:0{number}" for number in (1, 2, 3))


def _report() -> Any:
    """Of host 1: connected to host 2, which leads to host 3; 10.0.0.4 does not answer."""
    connection = {"Name": _TWO, "NickName": "host2", "Address": "10.0.0.2:6783"}
    return {
        "Router": {
            "Name": _ONE,
            "NickName": "host1",
            "Peers": [
                {"Name": _ONE, "NickName": "host1", "Connections": [connection]},
                {"Name": _TWO, "NickName": "host2", "Connections": None},
                {"Name": _THREE, "NickName": "host3", "Connections": None},
            ],
            "Connections": [
                {"Address": "10.0.0.2:6783", "State": "established", "Info": ""},
                {"Address": "10.0.0.4:6783", "State": "failed", "Info": "connection refused"},
            ],
        }
    }


@pytest.mark.parametrize(
    ("wanted", "names", "down"),
    [
        ("", {_TWO, _THREE}, {"10.0.0.4:6783"}),
        ("host2", {_TWO}, set()),
        ("host2 host3", {_TWO, _THREE}, set()),
        (_THREE.upper(), {_THREE}, set()),
        ("10.0.0.2", {_TWO}, set()),
        ("10.0.0.2:6783", {_TWO}, set()),
        ("10.0.0.4", set(), {"10.0.0.4:6783"}),
        ("host1", set(), set()),
    ],
)
def test_hosts_are_named_by_nickname_name_or_address(wanted: str, names: set[str], down: set[str]) -> None:
    chosen = choose_hosts(_report(), wanted.split())
    assert (set(chosen.names), set(chosen.down)) == (names, down)


def test_whoever_is_not_there_is_named_with_those_who_are() -> None:
    with pytest.raises(UsageProblem) as refused:
        choose_hosts(_report(), ["host2", "host7", "10.0.0.9"])
    assert refused.value.message == "the mesh has no host host7, 10.0.0.9"
    assert refused.value.hint == "It has: host2, host3, 10.0.0.4:6783."


@pytest.mark.parametrize(
    ("typed", "hosts"),
    [
        ("test", None),
        ("test --hosts", ()),
        ("--hosts test", ()),
        ("test --hosts host2", ("host2",)),
        ("test --hosts host2,host3", ("host2", "host3")),
        ("test --hosts=host2 --hosts host3", ("host2", "host3")),
        ("test --hosts -o json", ()),
        ("--hosts=test test", ("test",)),
    ],
)
def test_option_stands_alone_or_before_names(typed: str, hosts: tuple[str, ...] | None) -> None:
    context: click.Context = connectivity.make_context("connectivity", typed.split(), obj=None)
    assert context.params["hosts"] == hosts
