"""The servers that are asked for names outside the mesh, as a resolv.conf names them."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

#: The file's time of change is looked at when this many seconds have passed (specification dns, section 4.4).
CHECK_INTERVAL_S: Final = 5.0


class ResolvConf:
    """Addresses of the file's `nameserver` lines that are not our own; may be asked from any thread."""

    def __init__(
        self, path: str | Path, is_ours: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(path)
        self._is_ours = is_ours
        self._clock = clock
        self._lock = threading.Lock()
        self._checked_at: float | None = None
        self._changed_at: int | None = None
        self._servers: tuple[str, ...] = ()

    def servers(self) -> tuple[str, ...]:
        """The servers in the order to ask them; empty when the file is missing or names none."""
        now = self._clock()
        with self._lock:
            if self._checked_at is None or now - self._checked_at >= CHECK_INTERVAL_S:
                self._checked_at = now
                self._read_if_changed()
            return self._servers

    def _read_if_changed(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at == self._changed_at:
                return
            text = self._path.read_text(errors="replace")
        except OSError as problem:
            if self._changed_at is not None or self._servers:
                log.warning("cannot read %s: %s", self._path, problem.strerror)
            self._changed_at, self._servers = None, ()
            return
        self._changed_at = changed_at
        self._servers = tuple(server for server in parse_nameservers(text) if not self._is_ours(server))
        log.info("names outside the mesh are asked from %s", ", ".join(self._servers) or "nobody")


def parse_nameservers(text: str) -> list[str]:
    """The addresses, IPv4 or IPv6, of a resolv.conf; lines that name none are passed over."""
    servers = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_] if _is_address(address) and address not in servers:
                servers.append(address)
    return servers


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
