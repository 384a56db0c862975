"""Wait until this host has met its peers and addresses can be had; or say who is missing, and why."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from weave_cli.api.sync import RouterClient
from weave_cli.durations import format_duration
from weave_cli.error_codes import Code, ExitStatus
from weave_cli.errors import RouterProblem
from weave_cli.operations.reporter import Reporter
from weave_cli.reports import Ipam, Report

_POLL_S: Final = 0.2

#: Label of what is not a peer, among those that are waited for.
_RING: Final = "the address range"


class NotJoined(RouterProblem):
    """The router runs, but what was waited for did not come about."""

    exit_status = ExitStatus.NOT_JOINED
    code = Code.NOT_JOINED


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A peer as it was given, and the IPv4 address that it means; None when that cannot be found."""

    text: str
    ip: str | None
    port: int


def wait_until_joined(
    api: RouterClient, peers: Sequence[str], *, port: int, limit_s: float, reporter: Reporter
) -> None:
    """Returns once all of them are connected and the range is divided; raises NotJoined after `limit_s`.

    port: that of peers which are given without one. A peer that never will be there ends the wait at once.
    """
    deadline = time.monotonic() + limit_s
    is_primed = False
    while True:
        missing: Mapping[str, str] = {"the router": "it does not answer"}
        with suppress(RouterProblem):
            report: Report = json.loads(api.get_report())
            missing = find_missing(report, [resolve(peer, port) for peer in peers])
            if _RING in missing and not is_primed:
                is_primed = True  # nobody divides the range before somebody asks for an address
                threading.Thread(target=_prime, args=(api,), daemon=True).start()
        if not missing:
            return
        if time.monotonic() >= deadline or any(
            reason.endswith("retry: never") for reason in missing.values()
        ):
            raise _not_joined(missing, limit_s)
        reporter.progress(f"waiting for {', '.join(missing)}")
        time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))


def resolve(peer: str, port: int) -> Awaited:
    """As the router does; asked again each time, since names may come to be."""
    host, colon, given = peer.partition(":")
    number = int(given) if colon and given.isascii() and given.isdigit() else port
    try:
        found = socket.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Awaited(text=peer, ip=None, port=number)
    return Awaited(text=peer, ip=str(found[0][4][0]), port=number)


def find_missing(report: Report, peers: Sequence[Awaited]) -> dict[str, str]:
    """Who is not there yet, with the reason as far as the router knows it. Empty: all is well."""
    missing = {peer.text: reason for peer in peers if (reason := _find_obstacle(report, peer)) is not None}
    if "IPAM" in report and not report["IPAM"]["Entries"]:
        missing[_RING] = _describe_election(report["IPAM"])
    return missing


def _find_obstacle(report: Report, peer: Awaited) -> str | None:
    """None: connected, whoever of the two has dialled."""
    if peer.ip is None:
        return "its name cannot be resolved"
    obstacle = "not tried yet"
    for one in report["Router"]["Connections"]:
        host, _, port = one["Address"].rpartition(":")
        if host != peer.ip or (one["Outbound"] and port != str(peer.port)):
            continue
        if one["State"] == "established":
            return None
        obstacle = one["Info"] if one["State"] == "failed" else f"{one['State']} {one['Info']}".strip()
    return obstacle


def _describe_election(ipam: Ipam) -> str:
    paxos = ipam["Paxos"]
    if paxos is None or not paxos["Elector"]:
        return "nobody has divided it yet"
    return f"awaiting consensus (quorum: {paxos['Quorum']}, known: {paxos['KnownNodes']})"


def _prime(api: RouterClient) -> None:
    with suppress(RouterProblem):
        api.wait_for_ring()


def _not_joined(missing: Mapping[str, str], limit_s: float) -> NotJoined:
    lines = "".join(f"\n  {label}: {reason}" for label, reason in missing.items())
    return NotJoined(
        f"weave runs, but after {format_duration(limit_s)} it still waits for:{lines}",
        hint="It goes on trying; see 'weave status connections'. 'weave stop' ends it.",
    )
