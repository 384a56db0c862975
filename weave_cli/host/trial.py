"""Tries out, in a namespace of its own that is gone afterwards, whether this kernel can do what we need."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.host.bridge import ensure_bridge
from weave_cli.host.iptables import find_backend, make_rules
from weave_cli.host.netns import call_in_new_namespace
from weave_cli.host.rules import FirewallFacts
from weave_cli.host.tap import open_tap
from weave_cli.host.veth import create_endpoint_veth
from weave_cli.host.vxlan import ensure_vxlan
from weave_cli.host_files import on_host
from weave_cli.names import MESH_PORT, TUN_CONTROL

_MAC: Final = "02:00:00:00:00:01"
_MTU: Final = 1400


def try_kernel() -> dict[str, str | None]:
    """bridge, veth, vxlan, tap, rules -> why it cannot be made; None where it can. Leaves nothing behind."""
    backend, missing = _find_backend()
    trials: dict[str, Callable[[], object]] = {
        "bridge": lambda: ensure_bridge(_MAC, _MTU),
        "veth": lambda: create_endpoint_veth("trial-host", "trial-guest"),
        "vxlan": lambda: ensure_vxlan(_MAC, _MTU, MESH_PORT + 1),
        "tap": lambda: os.close(open_tap(name="trial-tap", control=str(on_host(TUN_CONTROL)))),
        "rules": lambda: make_rules(backend, FirewallFacts()),
    }
    return call_in_new_namespace(
        lambda: {
            name: missing if name == "rules" and missing else _try(trial) for name, trial in trials.items()
        }
    )


def _find_backend() -> tuple[str, str | None]:
    """The program to write rules with, or why there is none."""
    with suppress(HostProblem):
        return find_backend(), None
    return "iptables", "no iptables is installed"


def _try(trial: Callable[[], object]) -> str | None:
    try:
        trial()
    except HostProblem as problem:
        return problem.message
    return None
