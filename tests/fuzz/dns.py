"""DNS queries: every answer is one that a client can read, and not larger than it may be."""

from __future__ import annotations

import random

from tests.fuzz.seeds import recorded, with_choice
from weave_cli.router.nameserver.answers import Answerer, Ready, server_failure
from weave_cli.router.nameserver.queries import HEADER_LENGTH, parse_query


class _Names:
    def lookup(self, name: str) -> list[int]:
        return list(range(60)) if name.lower().startswith("m") else [1]

    def reverse(self, address: int) -> str | None:
        return "web.weave.local." if address & 1 else None


def seeds() -> list[bytes]:
    return with_choice(recorded("dns-queries"), 2)


def check(data: bytes) -> None:
    is_limited, packet = bool(data and data[0] & 1), data[1:]
    answerer = Answerer(_Names(), domain="weave.local.", ttl=1, rng=random.Random(0))
    answer = answerer.prepare(packet, is_limited=is_limited)
    if isinstance(answer, Ready):
        body = next(answer.bodies)
        reply = parse_query(packet[:2] + body)
        if len(body) + 2 > HEADER_LENGTH:
            query = parse_query(packet)
            assert reply.question == query.question
            limit = query.udp_limit if is_limited else 65535
            has_one_record = body[4:6] in (b"\0\0", b"\0\1")
            assert has_one_record or len(body) + 2 <= max(limit, HEADER_LENGTH + len(query.question))
    elif len(packet) >= HEADER_LENGTH and not packet[2] & 0x80:
        parse_query(server_failure(packet))
