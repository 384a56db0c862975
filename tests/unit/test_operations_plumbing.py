"""Words for insiders: which kind of bridge there is, and what another bridge may be called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.reporter import FakeReporter
from weave_cli.errors import HostProblem, UsageProblem
from weave_cli.operations.plumbing import attach_bridge, find_bridge_type
from weave_cli.settings import read_settings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ((), None),
        (("weave/bridge",), "bridge"),
        (("weave",), "fastdp"),
        (("weave/bridge", "datapath"), "bridged_fastdp"),
    ],
)
def test_the_kind_is_read_off_the_devices(
    tmp_path: Path, present: tuple[str, ...], expected: str | None
) -> None:
    for name in present:
        (tmp_path / name).mkdir(parents=True)
    assert find_bridge_type(devices=tmp_path) == expected


@pytest.mark.parametrize(
    "present", [("datapath",), ("datapath/bridge", "weave/bridge"), ("weave", "datapath")]
)
def test_a_mixture_is_an_error(tmp_path: Path, present: tuple[str, ...]) -> None:
    for name in present:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(HostProblem, match="Inconsistent bridge state"):
        find_bridge_type(devices=tmp_path)


def test_a_bridge_with_a_long_name_cannot_be_tied_to_ours() -> None:
    with pytest.raises(UsageProblem, match="br-0123456789ab"):
        attach_bridge(read_settings({}), "br-0123456789ab", FakeReporter())
