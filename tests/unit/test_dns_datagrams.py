"""The loop for UDP on a scripted socket: what is kept ready, and what goes wrong without ending it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import dns.message
import pytest

from tests.fakes.names import FakeNames
from weave_cli.router.nameserver.answers import Answerer
from weave_cli.router.runtime.dns_datagrams import CACHE_LIMIT, DatagramLoop

pytestmark = pytest.mark.unit


class CountingNames(FakeNames):
    """Names that count how often they are looked up."""

    lookups = 0

    def lookup(self, name: str) -> list[int]:
        self.lookups += 1
        return super().lookup(name)


class ScriptedSocket:
    """Gives the packets, then calls `at_end` and gives nothing; keeps the answers."""

    def __init__(self, packets: Iterable[bytes | Exception]) -> None:
        self._packets = iter(packets)
        self.at_end: Callable[[], None] = lambda: None
        self.answers: list[bytes] = []
        self.broken_clients: set[int] = set()
        self._count = 0

    def recvfrom(self, size: int, /) -> tuple[bytes, Any]:
        packet = next(self._packets, None)
        if packet is None:
            self.at_end()
            return b"", None
        if isinstance(packet, Exception):
            raise packet
        self._count += 1
        return packet[:size], self._count

    def sendto(self, data: bytes, client: Any, /) -> int:
        if client in self.broken_clients:
            raise OSError("unreachable")
        self.answers.append(data)
        return len(data)


def run(names: FakeNames, udp: ScriptedSocket) -> DatagramLoop:
    """Let a loop have all the packets; what would go upstream is answered with `upstream`."""
    answerer = Answerer(names, domain="weave.local.", ttl=1, rng=random.Random(1))
    loop = DatagramLoop(udp, names, answerer, lambda query, client: b"upstream")
    udp.at_end = loop.stop
    loop.run()
    return loop


def query(name: str, payload: int = 0) -> bytes:
    return dns.message.make_query(name, "A", use_edns=0 if payload else None, payload=payload).to_wire()


def test_the_same_question_is_looked_up_once_and_answered_with_each_id() -> None:
    names = CountingNames(addresses={"web.weave.local.": [1]})
    packets = [query("web.weave.local.") for _ in range(5)]
    udp = ScriptedSocket(packets)
    run(names, udp)
    assert [answer[:2] for answer in udp.answers] == [packet[:2] for packet in packets]
    assert len({answer[2:] for answer in udp.answers}) == 1
    assert names.lookups == 1


def test_questions_for_others_are_handed_over_every_time() -> None:
    udp = ScriptedSocket([query("example.com.")] * 3)
    run(FakeNames(), udp)
    assert udp.answers == [b"upstream"] * 3


def test_a_flood_of_different_questions_is_not_kept_without_end() -> None:
    names = FakeNames(addresses={f"n{number}.weave.local.": list(range(60)) for number in range(20)})
    udp = ScriptedSocket(query(f"n{n}.weave.local.", size) for n in range(20) for size in range(4000, 4040))
    loop = run(names, udp)
    assert len(udp.answers) == 800
    assert 0 < loop.held <= CACHE_LIMIT < sum(16 * len(answer) for answer in udp.answers)


def test_a_client_that_cannot_be_reached_and_a_receive_error_do_not_end_it() -> None:
    names = FakeNames(addresses={"web.weave.local.": [1]})
    web, other = query("web.weave.local."), query("example.com.")
    udp = ScriptedSocket([web, web, other, OSError("network is down"), web])
    udp.broken_clients = {1, 2, 3}
    run(names, udp)
    assert [answer[:2] for answer in udp.answers] == [web[:2]]
