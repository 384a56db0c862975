"""The whole trial: containers, probes to each other end, and where packets got lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.addresses import format_address, parse_cidr
from weave_cli.api.dns_question import BadName, make_question
from weave_cli.api.sync import RouterClient
from weave_cli.connectivity.echo_server import echoing
from weave_cli.connectivity.hosts import Hosts, choose_hosts, is_down
from weave_cli.connectivity.probes import Prober
from weave_cli.connectivity.results import (
    Evidence,
    Link,
    Loss,
    ProbeResult,
    TargetResult,
    diagnose,
    find_notice,
)
from weave_cli.connectivity.workloads import Workloads, two_workloads
from weave_cli.containers import lookup, workloads
from weave_cli.containers.client import Docker
from weave_cli.error_codes import NoticeCode
from weave_cli.errors import RouterProblem, UsageProblem
from weave_cli.host.bridge import read_bridge
from weave_cli.names import ROUTER_CONTAINER
from weave_cli.operations.lock import alone_with
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.survey import read_report
from weave_cli.report_states import find_remote
from weave_cli.reports import LocalConnection, Report
from weave_cli.settings import Settings

#: Docker's own DNS server in containers on its user-defined networks.
_DOCKER_DNS: Final = "127.0.0.11"
_LOCK: Final = "connectivity test"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The other end of probes; host is empty for a container of this one."""

    host: str
    address: str
    fqdn: str


def run_trial(
    client: Docker, settings: Settings, reporter: Reporter, *, wanted: Sequence[str] | None
) -> list[TargetResult]:
    """Probe a container of this host, and other hosts.

    wanted: which, by nickname, name or address; empty: all; None: no other. Raises RouterProblem when no
    router runs, UsageProblem for a host that is not there.
    """
    report = read_report(settings)
    hosts = None if wanted is None else choose_hosts(report, wanted)
    router = lookup.find_our_container(client, ROUTER_CONTAINER)
    if router is None or not router.is_ours:
        raise RouterProblem(
            "the router is in no container of ours, whose image the trial needs",
            hint="Launch it: weave launch",
        )
    domain, dns = _find_dns(report)
    with alone_with(_LOCK, reporter):
        left = workloads.remove_workloads(client)
        if left:
            reporter.notice(
                f"Removed what an earlier test left: {', '.join(left)}", NoticeCode.LEFTOVERS_REMOVED
            )
        with (
            two_workloads(client, settings, reporter, image=router.image_id, domain=domain, dns=dns) as pair,
            echoing(pair.second.pid, pair.second.address),
        ):
            return list(_try_all(settings, report, reporter, pair, dns, hosts))


def _find_dns(report: Report) -> tuple[str, str | None]:
    """Domain and address of weaveDNS; nothing when it is off."""
    if "DNS" not in report:
        return "", None
    return report["DNS"]["Domain"], report["DNS"]["Address"].rpartition(":")[0]


def _try_all(
    settings: Settings,
    report: Report,
    reporter: Reporter,
    pair: Workloads,
    dns: str | None,
    hosts: Hosts | None,
) -> Iterator[TargetResult]:
    api = RouterClient(settings.http_address)
    if pair.problem:
        loss = Loss(leg="plugin", reason=pair.problem, mend="weave doctor; weave launch-plugin")
        yield TargetResult(host="", address="", probes=(), loss=loss)
    targets = [_Target(host="", address=pair.second.address, fqdn=pair.second.fqdn)]
    if hosts is not None:
        if hosts.names:
            reporter.progress("asking the other hosts to answer")
            for answer in api.inquire("responder"):
                if answer["name"] not in hosts.names:
                    continue
                made = _read_offer(answer)
                if isinstance(made, _Target):
                    targets.append(made)
                else:
                    yield made
        yield from _list_unconnected(report, hosts)
    prober = Prober(pair.first.pid, pair.first.address)
    server = dns and (_DOCKER_DNS if pair.by_plugin else dns)
    before = _read_seen(api, pair.first.address) if hosts is not None else {}
    groups = prober.multicast([one.address for one in targets])
    probed = [(one, tuple(_probe(prober, one, groups, server, reporter))) for one in targets]
    local_passed = all(one.passed for one in probed[0][1] if one.probe in ("address", "udp", "tcp"))
    seen = _read_seen(api, pair.first.address) if hosts is not None else {}
    # As it is now: a connection may have broken meanwhile.
    report = read_report(settings)
    for target, probes in probed:
        link = _find_link(report, target.host) if target.host else None
        evidence = Evidence(
            arp=prober.knows_mac(target.address),
            local_passed=local_passed,
            link=link,
            seen=_subtract(seen.get(target.host), before.get(target.host, {})),
        )
        found = diagnose(target.host, probes, evidence)
        yield TargetResult(
            host=target.host,
            address=target.address,
            probes=probes,
            loss=found,
            notice="" if found else find_notice(link),
        )


def _probe(
    prober: Prober, target: _Target, groups: Mapping[str, ProbeResult], server: str | None, reporter: Reporter
) -> Iterator[ProbeResult]:
    reporter.progress(f"trying {target.host or 'this host'}")
    bridge = read_bridge()
    yield prober.ping(target.address)
    yield prober.udp(target.address)
    yield prober.tcp(target.address)
    if bridge is not None:
        yield prober.full_size(target.address, bridge.mtu)
    yield groups[target.address]
    if server and target.fqdn:
        yield prober.name(target.fqdn, target.address, server)


def _read_offer(answer: Mapping[str, Any]) -> _Target | TargetResult:
    """Where a peer answers; or why it does not."""
    host = str(answer["nickname"] or answer["name"])
    content = answer["content"]
    if content is None:
        reason = f"the router of {host} does not answer questions: is it another router than ours, or gone?"
    else:
        try:
            address, fqdn = parse_cidr(str(content["address"])), str(content.get("fqdn", ""))
            if not _is_name(fqdn):
                fqdn = ""
            return _Target(host=host, address=format_address(address.address), fqdn=fqdn)
        except (KeyError, UsageProblem):
            reason = (
                f"the router of {host} cannot answer trials: {content.get('problem', 'it does not say why')}"
            )
    loss = Loss(leg="peer-router", reason=reason, mend=f"weave doctor (on {host}); docker logs weave (there)")
    return TargetResult(host=host, address="", probes=(), loss=loss)


def _is_name(fqdn: str) -> bool:
    """Can anybody ask for it?"""
    try:
        make_question(fqdn, 0)
    except BadName:
        return False
    return True


def _read_seen(api: RouterClient, own: str) -> dict[str, dict[str, int]]:
    """By host, what arrived there of our packets; hosts that do not tell are missing."""
    found: dict[str, dict[str, int]] = {}
    for answer in api.inquire("seen"):
        match answer["content"]:
            case {"seen": dict(seen)}:
                counts = seen.get(own, {})
                found[str(answer["nickname"] or answer["name"])] = {
                    str(kind): count for kind, count in counts.items() if isinstance(count, int)
                }
    return found


def _subtract(after: Mapping[str, int] | None, before: Mapping[str, int]) -> dict[str, int] | None:
    """What came in between; an end that began anew has forgotten what came before."""
    if after is None:
        return None
    if any(after.get(kind, 0) < count for kind, count in before.items()):
        return dict(after)
    return {kind: count - before.get(kind, 0) for kind, count in after.items()}


def _list_unconnected(report: Report, hosts: Hosts) -> Iterator[TargetResult]:
    """Hosts that we are to be connected to, and are not."""
    for one in report["Router"]["Connections"]:
        if one["Address"] in hosts.down and is_down(one):
            reason = f"no connection to {one['Address']}: {one['Info'] or one['State']}"
            loss = Loss(leg="router-router", reason=reason, mend="weave doctor; weave status connections")
            yield TargetResult(host=one["Address"], address="", probes=(), loss=loss)


def _find_link(report: Report, host: str) -> Link | None:
    """Our own connection to the host of that nickname, or name; None when others are between."""
    for one in report["Router"]["Connections"]:
        remote = find_remote(one["Info"])
        if remote is not None and host == (remote[1] or remote[0]):
            return _read_link(one)
    return None


def _read_link(one: LocalConnection) -> Link:
    attributes = one["Attrs"] or {}
    overlay = attributes.get("name")
    reason = attributes.get("vxlan", "")
    return Link(state=one["State"], overlay=None if overlay is None else str(overlay), reason=str(reason))
