"""Words for insiders: the bridge's kind, the bridge before a launch, another bridge tied to it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from weave_cli.api.sync import RouterClient
from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem, UsageProblem
from weave_cli.names import BRIDGE, JOINT_PREFIX, OTHER_JOINT_PREFIX
from weave_cli.operations.asking import ask_router
from weave_cli.operations.lock import exclusively
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

_DEVICES: Final = Path("/sys/class/net")
_GO_DATAPATH: Final = "datapath"

_LONGEST_NAME: Final = 15  # of a network device


def find_bridge_type(*, devices: Path = _DEVICES) -> str | None:
    """`bridge`, or what another weave has left: `fastdp`, `bridged_fastdp`; None without a bridge.

    Raises HostProblem for a mixture of them.
    """
    is_bridge = (devices / BRIDGE / "bridge").is_dir()
    if (devices / _GO_DATAPATH).exists():
        if not is_bridge or (devices / _GO_DATAPATH / "bridge").is_dir():
            raise HostProblem(
                "Inconsistent bridge state detected. Please do 'weave reset' and try again.",
                hint="Do it with the weave that made the device datapath.",
                code=Code.BRIDGE_FOREIGN,
            )
        return "bridged_fastdp"
    if not (devices / BRIDGE).exists():
        return None
    return "bridge" if is_bridge else "fastdp"


def create_bridge(settings: Settings, reporter: Reporter) -> None:
    """The weave bridge, without a router."""
    from weave_cli.operations.bridge import ensure_bridge

    with exclusively(reporter):
        ensure_bridge(settings)


def attach_bridge(settings: Settings, name: str | None, reporter: Reporter) -> None:
    """Tie another bridge, Docker's if none is named, to ours; twice is once."""
    from weave_cli.host.exposure import read_exposures
    from weave_cli.host.iptables import ensure_rules
    from weave_cli.host.veth import join_bridges
    from weave_cli.operations.bridge import firewall_facts

    other = settings.docker_bridge if name is None else name
    if len(JOINT_PREFIX + other) > _LONGEST_NAME:
        raise UsageProblem(
            f"the bridge's name is too long: {other}",
            hint=f"No more than {_LONGEST_NAME - len(JOINT_PREFIX)} characters fit.",
        )
    with exclusively(reporter):
        if find_bridge_type() is None:
            raise HostProblem(
                "Weave bridge not found. Please run 'weave launch' and try again", code=Code.BRIDGE_MISSING
            )
        join_bridges(f"{JOINT_PREFIX}{other}", f"{OTHER_JOINT_PREFIX}{other}", other)
        # A router sees it by itself at its next look after the host's network.
        if not RouterClient(settings.http_address).is_ready():
            ensure_rules(firewall_facts(settings, read_exposures()))


def attach_router(settings: Settings, reporter: Reporter) -> None:
    """Tell the router again who is on the network; raises RouterProblem when none answers."""
    from weave_cli.containers.client import open_docker
    from weave_cli.operations.feeding import feed_router

    ask_router(lambda api: api.get_status(), settings)
    feed_router(open_docker(settings), RouterClient(settings.http_address), reporter)
