"""Names as containers ask for them: from the weaveDNS of a peer, by UDP."""

from __future__ import annotations

import dns.message
import dns.query
import dns.rcode

from tests.interop.peers import Peer, logs_of
from tests.kernel.namespaces import call_in
from tests.kernel.programs import eventually


def resolve(peer: Peer, name: str, kind: str = "A") -> set[str]:
    """The answers of the peer's server; empty when it knows none."""
    query = dns.message.make_query(name, kind)
    answer = call_in(peer.host.namespace, lambda: dns.query.udp(query, "127.0.0.1", timeout=5))
    return {record.to_text() for found in answer.answer for record in found}


def wait_for_name(peer: Peer, name: str, addresses: set[str], *others: Peer) -> None:
    """Wait until exactly these addresses are known; a failure shows the logs of all that are named."""
    eventually(lambda: resolve(peer, name) == addresses, lambda: logs_of(peer, *others), 45)
