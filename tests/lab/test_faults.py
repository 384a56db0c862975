"""The plugin killed in the middle of Docker's calls, and what is left behind: nothing, in the end.

In the default tier the points that change something; WEAVE_LAB_FAULTS=all walks through all of them, and `-s`
shows what each came to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

import pytest

from tests.lab.asking import report, start
from tests.lab.checks import pings, until
from tests.lab.fault_points import ALL_POINTS, FAULT_FILE, LIMIT_S, kill_at_each
from tests.lab.hosts import LabHost
from tests.lab.leftovers import leaks, plant_leaks, state_of

#: Those after which something would be left, or done twice.
_POINTS: Final = (
    ("NetworkDriver.CreateNetwork", "after"),
    ("IpamDriver.RequestAddress", "after"),
    ("NetworkDriver.CreateEndpoint", "after"),
    ("NetworkDriver.Join", "before"),
    ("NetworkDriver.DeleteEndpoint", "before"),
    ("IpamDriver.ReleaseAddress", "before"),
)
#: Seconds between two looks of the plugin for what is left.
_LOOK_S: Final = 2


@pytest.mark.timeout(900)
def test_a_plugin_that_dies_within_a_call_leaves_nothing(host: LabHost) -> None:
    arguments = f"-e WEAVE_PLUGIN_FAULTS={FAULT_FILE} -e WEAVE_PLUGIN_LOOK_S={_LOOK_S}"
    host.run(f"WEAVEPLUGIN_DOCKER_ARGS='{arguments}' weave launch", timeout=120)
    one, two = start(host, "one"), start(host, "two")
    at_rest = state_of(host)
    outcomes = []
    is_whole = os.environ.get("WEAVE_LAB_FAULTS") == "all"
    for outcome in kill_at_each(host, ALL_POINTS if is_whole else _POINTS):
        sys.stdout.write(f"{outcome}\n")
        outcomes.append(outcome)
    assert all(outcome.seconds < LIMIT_S for outcome in outcomes)
    assert is_whole or all(outcome.was_reached for outcome in outcomes)
    until(lambda: state_of(host) == at_rest, 60, f"all is as before: {at_rest}")
    pings(host, "one", two)

    # What nobody could have left is found and counted, too; what lives stays.
    planted = plant_leaks(host)
    until(lambda: state_of(host) != at_rest, 10, "it is there")
    until(lambda: state_of(host) == at_rest, 60, f"it was found and removed: {at_rest}")
    found = until(lambda: _removed(host, planted), 30, f"it was counted: {planted}")
    assert " removed" in host.run("weave status") and found
    pings(host, "two", one)
    assert report(host)["IPAM"]["ActiveIPs"] == 2


def _removed(host: LabHost, planted: dict[str, int]) -> Mapping[str, int] | None:
    removed = leaks(host)["removed"]
    return removed if all(removed[kind] >= count for kind, count in planted.items()) else None
