"""`weave status` for programs: the same pages, made from the router's report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from weave_cli.error_codes import Code, ExitStatus
from weave_cli.errors import RouterProblem
from weave_cli.operations.plugin_sockets import is_swarm_plugin_listening, read_leaks
from weave_cli.operations.proxy_beacon import find_proxy
from weave_cli.operations.survey import has_plugin, read_report, unknown_page
from weave_cli.output import status_data
from weave_cli.output.answer import Data, Output
from weave_cli.output.topology_data import make_data
from weave_cli.reports import Report
from weave_cli.settings import Settings
from weave_cli.topology import read_topology


def answer_status(topics: Sequence[str], settings: Settings, output: Output) -> ExitStatus:
    """The overview, or one page; the exit status is that of the words."""
    if not topics:
        return _answer_overview(settings, output)
    page = "/".join(topics)
    if page not in _PAGES:
        raise unknown_page(page)
    kind, make_data = _PAGES[page]
    report = read_report(settings)
    output.answer(kind, make_data(report))
    return _judge(report, output)


def _answer_overview(settings: Settings, output: Output) -> ExitStatus:
    """Tells of plugins and proxy also while the router is down."""
    is_served = has_plugin(settings)
    facts: dict[str, Any] = {
        "has_plugin": is_served,
        "has_swarm_plugin": is_swarm_plugin_listening(),
        "leaks": read_leaks() if is_served else None,
        "proxy": find_proxy() or (),
    }
    try:
        report = read_report(settings)
    except RouterProblem as problem:
        output.answer("Status", status_data.overview(None, **facts))
        output.fail(problem)
        return ExitStatus.FAILURE
    output.answer("Status", status_data.overview(report, **facts))
    return _judge(report, output)


def _judge(report: Report, output: Output) -> ExitStatus:
    if report["Ready"]:
        return ExitStatus.SUCCESS
    output.fail(
        RouterProblem("the router is not ready yet", hint="Try again soon.", code=Code.ROUTER_NOT_READY)
    )
    return ExitStatus.FAILURE


def _dns(report: Report) -> Data:
    if "DNS" not in report:
        raise RouterProblem(
            "weaveDNS is switched off", hint="The router was launched with --no-dns.", code=Code.DNS_OFF
        )
    return status_data.dns(report["DNS"])


def _ipam(report: Report) -> Data:
    if "IPAM" not in report:
        raise RouterProblem(
            "IP address allocation is switched off",
            hint="The router was launched with --ipalloc-range=.",
            code=Code.ALLOCATION_OFF,
        )
    return status_data.ipam(report["IPAM"], report["Router"]["Name"])


_PAGES: Final[Mapping[str, tuple[str, Callable[[Report], Data]]]] = {
    "targets": ("Targets", status_data.targets),
    "connections": ("Connections", status_data.connections),
    "peers": ("Peers", status_data.peers),
    "dns": ("Names", _dns),
    "ipam": ("AddressShares", _ipam),
    "topology": ("Topology", lambda report: make_data(read_topology(report))),
}
