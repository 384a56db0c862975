"""What the routers of a test said: a connection may end only for what a cut or an ended peer explains."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tests.interop.peers import Peer

_END: Final = re.compile(r"connection shutting down(?: due to error)?: (?P<reason>.*)$", re.MULTILINE)
#: Two dialled each other; the network was cut; the other end went.
_EXPLAINED: Final = re.compile(
    r"Multiple connections to|EOF|reset by peer|broken pipe|i/o timeout|no route to host|timed out"
    r"|closed by peer|[Cc]onnection lost|timeout: nothing received|no working forwarders to|no heartbeats"
    r"|use of closed network connection|router is stopping"
)
_ALARMS: Final = re.compile(r"panic|[Aa]ssertion|^FATA|^ERRO|Traceback|Bad message", re.MULTILINE)


def complaints(peers: Iterable[Peer]) -> list[str]:
    """Lines that tell of a protocol error or of a fault."""
    found: list[str] = []
    for peer in peers:
        log = peer.log()
        found += [
            f"{peer.nickname}: {line[0]}"
            for line in _END.finditer(log)
            if not _EXPLAINED.search(line["reason"])
        ]
        found += [f"{peer.nickname}: {line}" for line in log.splitlines() if _ALARMS.search(line)]
    return found
