"""Questions to weaveDNS with all that a resolver may say; a program for the inside of a lab host.

    python -m tests.lab.dns_client ask            questions as JSON on stdin, answers as JSON on stdout
    python -m tests.lab.dns_client serve ADDRESS  a server of the world outside; ends when it is killed

Tests call `ask`; the second is what a host's resolv.conf names.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Final

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from tests.fakes.dns_upstream import fake_upstream
from tests.lab.hosts import LabHost

#: Kind, name, transport (`udp` or `tcp`), and the size that the EDNS option tells (0: no such option).
Question = tuple[str, str, str, int]
#: The rcode and the records, sorted.
Answer = tuple[str, list[str]]

#: Docker's bridge, where the router listens.
_WEAVE_DNS: Final = "172.17.0.1"

OUTSIDE: Final = {
    ("A", "www.example.com."): "192.0.2.9",
    ("PTR", "9.2.0.192.in-addr.arpa."): "www.example.com.",
}


def ask(host: LabHost, *questions: Question) -> list[Answer]:
    """Each question's answer; one that does not fit is asked for again by TCP, as resolvers do."""
    said = host.run("python -m tests.lab.dns_client ask", stdin=json.dumps(questions))
    return [(rcode, records) for rcode, records in json.loads(said)]


def a(name: str, transport: str = "udp", payload: int = 0) -> Question:
    """The question for a name's addresses."""
    return "A", name, transport, payload


def _exchange(question: Question) -> Answer:
    kind, name, transport, payload = question
    query = dns.message.make_query(name, kind, use_edns=0 if payload else False, payload=payload or None)
    answer = dns.query.udp(query, _WEAVE_DNS, timeout=20) if transport == "udp" else None
    if answer is None or answer.flags & dns.flags.TC:
        answer = dns.query.tcp(query, _WEAVE_DNS, timeout=20)
    records = sorted(str(data) for rrset in answer.answer for data in rrset)
    return dns.rcode.to_text(answer.rcode()), records


def _outside(packet: bytes) -> list[bytes]:
    query = dns.message.from_wire(packet)
    answer = dns.message.make_response(query)
    asked = query.question[0]
    kind = dns.rdatatype.to_text(asked.rdtype)
    if (data := OUTSIDE.get((kind, asked.name.to_text()))) is None:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    else:
        answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, data))
    return [answer.to_wire()]


def main(words: list[str]) -> None:
    match words:
        case ["ask"]:
            sys.stdout.write(json.dumps([_exchange(question) for question in json.load(sys.stdin)]))
        case ["serve", address]:
            with fake_upstream(_outside, address=address, port=53):
                signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
