"""Targets as people write them, `host[:port]`, made into addresses to dial. Knows no mesh."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from typing import Final

from weave_cli.daemon_thread import in_thread
from weave_cli.errors import UsageProblem
from weave_cli.router.mesh.targets import DirectTarget

_TARGET: Final = re.compile(r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.-]*)(?::(?P<port>[A-Za-z0-9-]+))?", re.ASCII)


async def resolve_target(text: str) -> DirectTarget:
    """The target with its IPv4 address, and its port when one was given (specification mesh, section 14).

    Raises UsageProblem: `invalid peer name "X", should be host[:port]`, or the resolver's reason.
    """
    match = _TARGET.fullmatch(text)
    if not match:
        raise UsageProblem(f'invalid peer name "{text}", should be host[:port]')
    host, port_text = match["host"], match["port"]
    try:
        port = _parse_port(port_text) if port_text else 0
    except (OSError, ValueError):
        raise UsageProblem(f'invalid peer name "{text}": unknown port {port_text}') from None
    try:
        # Not the loop's own getaddrinfo: the router would end no sooner than a resolver that does not answer.
        found = await in_thread(
            lambda: socket.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM),
            "resolver",
        )
    except (OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UsageProblem(f"lookup {host}: {reason}") from problem
    address = found[0][4][0]
    return DirectTarget(text=text, address=f"{address}:{port}" if port else str(address))


async def resolve_targets(texts: Sequence[str]) -> tuple[list[DirectTarget], list[str]]:
    """Those that have an address, and for each of the others the sentence why not."""
    found: list[DirectTarget] = []
    problems: list[str] = []
    for text in texts:
        try:
            found.append(await resolve_target(text))
        except UsageProblem as problem:
            problems.append(problem.message)
    return found, problems


def _parse_port(text: str) -> int:
    port = int(text) if text.isdigit() else socket.getservbyname(text, "tcp")
    if not 0 < port < 65536:
        raise ValueError(text)
    return port
