"""The page for Prometheus: names of the specification (http-api, section 7), numbers of the report."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.api_router import ApiRouter, running
from tests.vectors.load import load
from weave_cli.reports import LocalConnection, Report
from weave_cli.router.http.metrics import metrics
from weave_cli.router.http.server import ApiServer

RECORDED: Report = next(
    json.loads(one["body"])
    for one in load("http-samples")["vectors"]
    if one["path"] == "/report" and one.get("headers", {}).get("Accept") == "application/json"
)

OF_THE_PROCESS = {
    *("process_cpu_seconds_total", "process_open_fds", "process_max_fds"),
    *("process_resident_memory_bytes", "process_virtual_memory_bytes", "process_start_time_seconds"),
}
OF_WEAVE = {
    "weave_connections": "gauge",
    "weave_connection_terminations_total": "counter",
    "weave_ips": "gauge",
    "weave_max_ips": "gauge",
    "weave_dns_entries": "gauge",
    "weave_ipam_unreachable_count": "gauge",
    "weave_ipam_unreachable_percentage": "gauge",
    "weave_ipam_pending_allocates": "gauge",
    "weave_ipam_pending_claims": "gauge",
}


def connection(state: str, attributes: dict[str, str | int | bool] | None) -> LocalConnection:
    return {
        "Address": "10.0.0.2:6783",
        "Outbound": True,
        "State": state,
        "Info": "",
        "Attrs": attributes,
    }


def lines(page: bytes) -> list[str]:
    """Those of weave with a value, in order."""
    return sorted(line for line in page.decode().splitlines() if line.startswith("weave_"))


def types(page: bytes) -> dict[str, str]:
    told = (line.split() for line in page.decode().splitlines() if line.startswith("# TYPE"))
    return {words[2]: words[3] for words in told}


def test_names_and_types_are_those_of_the_specification() -> None:
    page = metrics(RECORDED)
    found = types(page)
    assert {name for name in found if name.startswith("process_")} == OF_THE_PROCESS
    assert {name: kind for name, kind in found.items() if name not in OF_THE_PROCESS} == OF_WEAVE
    families = list(text_string_to_metric_families(page.decode()))
    assert len(families) == len(found)
    assert all(family.documentation for family in families)


def test_connections_are_counted_by_state_overlay_and_encryption() -> None:
    report = copy.deepcopy(RECORDED)
    report["Router"]["Connections"] = [
        connection("established", {"name": "vxlan", "mtu": 1450}),
        connection("established", {"name": "sleeve", "encrypted": True}),
        connection("established", {"name": "sleeve", "encrypted": True}),
        connection("failed", None),
    ]
    report["Router"]["TerminationCount"] = 7
    found = [line for line in lines(metrics(report)) if line.startswith("weave_connection")]
    # As the Go client writes them, to the last character: upstream's own tests take them apart with awk.
    assert found == [
        "weave_connection_terminations_total 7",
        'weave_connections{encryption="",state="established",type="sleeve"} 0',
        'weave_connections{encryption="",state="established",type="vxlan"} 1',
        'weave_connections{encryption="",state="failed",type="unknown"} 1',
        'weave_connections{encryption="yes",state="established",type="sleeve"} 2',
        'weave_connections{encryption="yes",state="established",type="vxlan"} 0',
        'weave_connections{encryption="yes",state="failed",type="unknown"} 0',
    ]


def test_addresses_and_names_are_those_of_this_host_and_of_the_lost() -> None:
    report = copy.deepcopy(RECORDED)
    us = report["Router"]["Name"]
    ipam = report["IPAM"]
    ipam["RangeNumIPs"], ipam["ActiveIPs"], ipam["PendingAllocates"] = 1000, 3, ["c1 10.32.0.0/12"]
    ipam["Entries"] = [
        {"Token": "a", "Size": 875, "Peer": us, "Nickname": "", "IsKnownPeer": True, "Version": 1},
        {"Token": "b", "Size": 100, "Peer": "gone", "Nickname": "", "IsKnownPeer": False, "Version": 1},
        {"Token": "c", "Size": 25, "Peer": "gone", "Nickname": "", "IsKnownPeer": False, "Version": 1},
    ]
    (living, *_) = [entry for entry in report["DNS"]["Entries"] or () if not entry["Tombstone"]]
    report["DNS"]["Entries"] = [
        {**living, "Origin": us},
        {**living, "Origin": us, "Tombstone": 1},
        {**living, "Origin": "another"},
    ]
    found = [line for line in lines(metrics(report)) if not line.startswith("weave_connection")]
    assert found == [
        "weave_dns_entries 1",
        "weave_ipam_pending_allocates 1",
        "weave_ipam_pending_claims 0",
        "weave_ipam_unreachable_count 1",
        "weave_ipam_unreachable_percentage 12.5",
        'weave_ips{state="local-used"} 3',
        "weave_max_ips 1000",
    ]


def test_parts_that_are_switched_off_have_no_numbers() -> None:
    report = copy.deepcopy(RECORDED)
    del report["IPAM"], report["DNS"]
    assert set(types(metrics(report))) - OF_THE_PROCESS == {
        "weave_connections",
        "weave_connection_terminations_total",
    }


def test_page_is_served_to_whoever_gives_orders_and_to_whoever_only_asks(tmp_path: Path) -> None:
    async def scrape() -> None:
        router = ApiRouter(tmp_path / "weave.db")
        teller = ApiServer(router, "127.0.0.1:0", is_read_only=True)
        async with running(router) as ask, aiohttp.ClientSession() as session:
            await teller.start()
            async with session.get(f"http://127.0.0.1:{teller.port}/metrics") as told:
                await told.read()
            for answer in (await ask("GET", "/metrics"), told):
                assert answer.status == 200
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                assert set(types((await answer.text()).encode())) >= set(OF_WEAVE)
            await teller.stop()

    asyncio.run(scrape())


def test_client_library_is_loaded_for_the_page_alone() -> None:
    code = "import sys, weave_cli.router.program; print('prometheus_client' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout == "False\n"
