"""What may come next on a command line: containers, networks, peers, names. Reads only.

Whoever completes for a shell waits for nothing and complains of nothing: he ends us after a moment, and takes
every error for an empty answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.names import EXPOSE_OWNER, GLOBAL_DRIVER, MESH_DRIVER, MESH_PORT
from weave_cli.report_states import list_owners, living_names
from weave_cli.reports import Report
from weave_cli.settings import Settings

RUNNING: Final = frozenset({"running", "paused", "restarting"})
STOPPED: Final = frozenset({"created", "exited", "dead"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word, and what it is, for shells that show that."""

    word: str
    meaning: str = ""


def suggest_running(settings: Settings) -> Iterator[Suggestion]:
    """Containers that can be attached."""
    return _containers(settings, RUNNING)


def suggest_stopped(settings: Settings) -> Iterator[Suggestion]:
    """Containers that can be started."""
    return _containers(settings, STOPPED)


def suggest_for_ps(settings: Settings) -> Iterator[Suggestion]:
    """Containers that may have addresses, and the host."""
    yield Suggestion(EXPOSE_OWNER, "this host")
    yield from _containers(settings, RUNNING)


def suggest_networks(settings: Settings) -> Iterator[Suggestion]:
    """Docker networks of our drivers."""
    for row in _ask_docker(settings, "/networks"):
        if row["Driver"] in (MESH_DRIVER, GLOBAL_DRIVER):
            yield Suggestion(row["Name"], f"{row['Driver']} network")


def suggest_targets(settings: Settings) -> Iterator[Suggestion]:
    """Hosts that the router was told to connect to, as they were spelt."""
    for target in _report(settings)["Router"]["Targets"] or ():
        yield Suggestion(target, "is connected to")


def suggest_new_targets(settings: Settings) -> Iterator[Suggestion]:
    """Addresses where hosts of the mesh accept connections, and that are no targets yet."""
    router = _report(settings)["Router"]
    known = set(router["Targets"] or ())
    found = {
        one["Address"].removesuffix(f":{MESH_PORT}"): one["NickName"]
        for peer in router["Peers"]
        for one in peer["Connections"] or ()
        if one["Outbound"] and one["Name"] != router["Name"]
    }
    yield from (Suggestion(address, nickname) for address, nickname in found.items() if address not in known)


def suggest_hosts(settings: Settings) -> Iterator[Suggestion]:
    """Other hosts of the mesh."""
    router = _report(settings)["Router"]
    for peer in router["Peers"]:
        if peer["Name"] != router["Name"]:
            yield Suggestion(peer["NickName"] or peer["Name"], peer["Name"])


def suggest_owners(settings: Settings) -> Iterator[Suggestion]:
    """Hosts that own addresses and are not in the mesh."""
    report = _report(settings)
    for owner in list_owners(report["IPAM"], report["Router"]["Name"]) if "IPAM" in report else ():
        if not owner.is_reachable:
            yield Suggestion(owner.nickname or owner.name, f"{owner.name} is unreachable")


def suggest_names(settings: Settings) -> Iterator[Suggestion]:
    """Names in weaveDNS, short and whole."""
    report = _report(settings)
    if "DNS" not in report:
        return
    domain = report["DNS"]["Domain"].strip(".")
    for entry in living_names(report["DNS"]):
        whole = entry["Hostname"].rstrip(".")
        yield Suggestion(whole, entry["Address"])
        if "." not in (short := whole.removesuffix(f".{domain}")):
            yield Suggestion(short, entry["Address"])


def suggest_whole_names(settings: Settings) -> Iterator[Suggestion]:
    """Names in weaveDNS as they are registered."""
    return (one for one in suggest_names(settings) if "." in one.word)


def _containers(settings: Settings, states: frozenset[str]) -> Iterator[Suggestion]:
    for row in _ask_docker(settings, "/containers/json?all=1"):
        # One in the host's own network, as ours are, cannot be attached.
        has_own_network = (row.get("HostConfig") or {}).get("NetworkMode") != "host"
        if row["State"] in states and has_own_network:
            for name in row["Names"]:
                # More slashes: the name that a link gives it, in another container.
                if name.count("/") == 1:
                    yield Suggestion(name.removeprefix("/"), _describe(row))


def _describe(row: dict[str, Any]) -> str:
    return f"{row.get('Image', '')} {row.get('Status', '')}".strip()


def _ask_docker(settings: Settings, path: str) -> list[dict[str, Any]]:
    from weave_cli.containers import quick  # here, as commands are completed without it

    return quick.list_rows(settings, path)


def _report(settings: Settings) -> Report:
    import json

    from weave_cli.api.sync import RouterClient

    found: Report = json.loads(RouterClient(settings.http_address).get_report())
    return found
