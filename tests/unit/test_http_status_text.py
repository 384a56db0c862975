"""Status texts against what a Go router answered from the same data."""

import json
from typing import cast

import pytest

from tests.vectors.load import load
from weave_cli.reports import LocalConnection, Report
from weave_cli.router.http import status_text
from weave_cli.router.http.calls import text_answer

SAMPLES = load("http-samples")["vectors"]
REPORT: Report = next(
    json.loads(one["body"])
    for one in SAMPLES
    if one["path"] == "/report" and one.get("headers", {}).get("Accept") == "application/json"
)


def answer(path: str) -> str:
    """The last answer recorded before the report, whose data had not changed since."""
    bodies = [one["body"] for one in SAMPLES if one["path"] == path and one["method"] == "GET"]
    return cast(str, bodies[-1])


def test_overview_is_what_a_go_router_prints() -> None:
    expected = answer("/status").replace(" (version check update disabled)", "")
    assert status_text.overview(REPORT) == expected


def test_ipam_page_is_what_a_go_router_prints() -> None:
    assert status_text.ipam(REPORT) == answer("/status/ipam")


def test_peers_page_is_what_a_go_router_prints() -> None:
    assert status_text.peers(REPORT) == answer("/status/peers")


def test_connections_page_is_what_a_go_router_prints() -> None:
    assert status_text.connections(REPORT) == answer("/status/connections")


def test_dns_page_shows_living_names_without_the_domain() -> None:
    assert status_text.dns(REPORT) == "q            10.32.0.11                c9 7a:00:00:00:00:01\n"


def test_targets_page_has_a_line_for_each_target() -> None:
    report = cast(Report, {"Router": {**REPORT["Router"], "Targets": ["a", "b:1"]}})
    assert status_text.targets(report) == "a\nb:1\n"


def test_attributes_follow_in_order_without_what_changes_all_the_time() -> None:
    one: LocalConnection = {
        "Address": "10.0.0.1:6783",
        "Outbound": True,
        "State": "established",
        "Info": "vxlan  x(y)",
        "Attrs": {"name": "vxlan", "mtu": 1450, "encrypted": True, "rtt_us": 310},
    }
    report = cast(Report, {"Router": {**REPORT["Router"], "Connections": [one]}})
    assert status_text.connections(report).endswith("established vxlan  x(y) encrypted=true mtu=1450\n")


@pytest.mark.parametrize("page", [status_text.dns, status_text.ipam])
def test_page_of_a_part_that_is_off_is_refused(page: object) -> None:
    report = cast(Report, {"Router": REPORT["Router"], "Version": "1"})
    with pytest.raises(status_text.NoSuchPage):
        page(report)  # type: ignore[operator]


def test_owner_that_the_mesh_does_not_know_is_unreachable() -> None:
    entry = {**(REPORT["IPAM"]["Entries"] or [])[0], "Peer": "7a:00:00:00:00:09", "IsKnownPeer": False}
    report = cast(Report, {**REPORT, "IPAM": {**REPORT["IPAM"], "Entries": [entry]}})
    assert status_text.ipam(report).endswith("% of total) - unreachable!\n")
    assert "all IP ranges owned by unreachable peers" in status_text.overview(report)


def test_nickname_that_is_no_text_can_be_shown() -> None:
    assert text_answer("host\udcff\n").body == b"host?\n"
