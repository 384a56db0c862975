"""A report as the numbers that Prometheus collects: `GET /metrics` (specification http-api, section 7).

Names, labels and types are the Go routers' (2.8). Needs the client library, which takes a while to load:
import this module when somebody asks for the page, not before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from weave_cli.report_states import list_owners, living_names
from weave_cli.reports import Dns, Ipam, Report, Router

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_WHOLE_NUMBER = re.compile(rb"(?m)(?<= )(\d+)\.0$")


def metrics(report: Report) -> bytes:
    """The page, in the text format; parts that are switched off have no lines.

    Whole numbers are without `.0`, as the Go client writes them: scripts compare them with `1`.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_ReportCollector(report))
    return _WHOLE_NUMBER.sub(rb"\1", generate_latest(registry))


class _ReportCollector(Collector):
    """Asked once, when the page is made."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def describe(self) -> Iterator[Metric]:
        """Nothing: the library need not look at the values for their names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        router = self._report["Router"]
        yield from _tell_connections(router)
        if "IPAM" in self._report:
            yield from _tell_addresses(self._report["IPAM"], router["Name"])
        if "DNS" in self._report:
            yield _tell_names(self._report["DNS"], router["Name"])


def _tell_connections(router: Router) -> Iterator[Metric]:
    counts: Counter[tuple[str, str, bool]] = Counter()
    for one in router["Connections"]:
        attributes = one["Attrs"] or {}
        overlay = str(attributes.get("name", "unknown"))
        counts[one["State"], overlay, bool(attributes.get("encrypted"))] += 1
    connections = GaugeMetricFamily(
        "weave_connections", "Number of connections to peers.", labels=("state", "type", "encryption")
    )
    # Each pair that there is, with both words for encryption: an alert may ask for the one that is 0.
    for state, overlay in sorted({(state, overlay) for state, overlay, _ in counts}):
        connections.add_metric((state, overlay, "yes"), counts[state, overlay, True])
        connections.add_metric((state, overlay, ""), counts[state, overlay, False])
    yield connections
    yield CounterMetricFamily(
        "weave_connection_terminations_total",
        "Number of connections to peers that have ended.",
        value=router["TerminationCount"],
    )


def _tell_addresses(ipam: Ipam, own_name: str) -> Iterator[Metric]:
    used = GaugeMetricFamily("weave_ips", "Number of addresses in use.", labels=("state",))
    used.add_metric(("local-used",), ipam["ActiveIPs"])
    yield used
    lost = [owner.size for owner in list_owners(ipam, own_name) if not owner.is_reachable]
    share = sum(lost) * 100 / ipam["RangeNumIPs"]
    for name, meaning, value in (
        ("weave_max_ips", "Number of addresses in the range.", ipam["RangeNumIPs"]),
        ("weave_ipam_unreachable_count", "Number of owners of addresses that nobody reaches.", len(lost)),
        ("weave_ipam_unreachable_percentage", "Part of the range that they own, in percent.", share),
        (
            "weave_ipam_pending_allocates",
            "Number of requests that wait for an address.",
            len(ipam["PendingAllocates"] or ()),
        ),
        (
            "weave_ipam_pending_claims",
            "Number of claims that wait for an answer.",
            len(ipam["PendingClaims"] or ()),
        ),
    ):
        yield GaugeMetricFamily(name, meaning, value=value)


def _tell_names(dns: Dns, own_name: str) -> Metric:
    ours = sum(1 for entry in living_names(dns) if entry["Origin"] == own_name)
    return GaugeMetricFamily("weave_dns_entries", "Number of names that this host has given.", value=ours)
