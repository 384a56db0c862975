"""What was perhaps meant by a command that there is not: a slip, or another program's word. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

#: Words of docker, tailscale, cilium, linkerd and Kubernetes -> what does that here.
_ELSEWHERE: Final = {
    "check": "doctor", "diagnose": "doctor", "health": "doctor",
    "connections": "status connections", "ipam": "status ipam", "peers": "status peers",
    "targets": "status targets", "topology": "status topology", "dns": "status dns",
    "disconnect": "forget", "join": "connect",
    "down": "stop", "up": "launch", "init": "launch", "install": "launch",
    "info": "status", "inspect": "report", "ls": "ps", "list": "ps", "ip": "ps",
    "kill": "stop", "leave": "reset", "uninstall": "reset",
    "lookup": "dns-lookup", "resolve": "dns-lookup", "nslookup": "dns-lookup",
    "net": "network", "networks": "network ls",
    "ping": "connectivity test", "netcheck": "connectivity test", "test": "connectivity test",
    "pull": "setup", "upgrade": "setup", "update": "setup",
    "service": "install-service", "systemd": "install-service",
    "proxy": "launch-proxy", "plugin": "launch-plugin", "router": "launch-router",
}  # fmt: skip
_LOGS: Final = "docker logs weave"


def guess(word: str, commands: Iterable[str]) -> str | None:
    """The line that was perhaps meant: `weave status`; None for words that resemble nothing."""
    if word in ("log", "logs"):
        return _LOGS
    meant = _ELSEWHERE.get(word)
    if meant is None:
        close = get_close_matches(word, list(commands), n=1, cutoff=0.7)
        meant = close[0] if close else None
    return None if meant is None else f"weave {meant}"
