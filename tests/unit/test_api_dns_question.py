"""One question to weaveDNS, held against dnspython: what we ask it understands, what it answers we do."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rrset
import pytest

from weave_cli.api import dns_question
from weave_cli.api.dns_question import BadAnswer, BadName, ask_addresses, make_question, read_addresses

pytestmark = pytest.mark.unit

_ADDRESSES = [f"10.32.0.{number}" for number in range(1, 51)]


def _answer(question: bytes, *addresses: str) -> dns.message.Message:
    asked = dns.message.from_wire(question)
    found = dns.message.make_response(asked)
    name = asked.question[0].name
    if addresses:
        found.answer.append(dns.rrset.from_text(name, 1, "IN", "A", *addresses))
    return found


@pytest.mark.parametrize("name", ["web", "web.weave.local", "web.weave.local.", "_x.a-b", "a" * 63, "."])
def test_question_is_understood(name: str) -> None:
    asked = dns.message.from_wire(make_question(name, 7))
    assert asked.id == 7 and asked.flags == dns.flags.RD
    (first,) = asked.question
    assert first.name.to_text() == (name if name.endswith(".") else f"{name}.")
    assert (first.rdtype, first.rdclass) == (1, 1)


@pytest.mark.parametrize("name", ["a..b", ".a", "a" * 64, "ü", ".".join(["a" * 60] * 5), "a.."])
def test_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        make_question(name, 7)


@pytest.mark.parametrize("addresses", [[], ["10.32.0.1"], _ADDRESSES])
def test_answer_is_understood(addresses: list[str]) -> None:
    octets = _answer(make_question("web", 7), *addresses).to_wire()
    assert sorted(read_addresses(octets, 7)) == sorted(addresses)  # dnspython shuffles them


def test_records_of_other_kinds_are_passed_over() -> None:
    found = _answer(make_question("web", 7), "10.32.0.1")
    found.answer.insert(0, dns.rrset.from_text("web.", 1, "IN", "CNAME", "other."))
    assert read_addresses(found.to_wire(), 7) == ["10.32.0.1"]


def test_garbage_is_told_and_nothing_else() -> None:
    whole = _answer(make_question("web", 7), *_ADDRESSES[:3]).to_wire()
    with pytest.raises(BadAnswer, match="another question"):
        read_addresses(whole, 8)
    with pytest.raises(BadAnswer, match="is a question"):
        read_addresses(make_question("web", 7), 7)
    for end in range(len(whole)):
        with pytest.raises(BadAnswer):
            read_addresses(whole[:end], 7)
    rng = random.Random(4)
    refused = 0
    for _ in range(2000):
        bent = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            bent[rng.randrange(2, len(bent))] = rng.randrange(256)
        try:
            read_addresses(bytes(bent), 7)
        except BadAnswer:
            refused += 1
    assert 0 < refused < 2000


def _one_port() -> tuple[socket.socket, socket.socket]:
    """Both kinds at the same port, which for the one may be free and for the other not."""
    while True:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        try:
            return datagrams, socket.create_server(datagrams.getsockname())
        except OSError:
            datagrams.close()


@contextmanager
def _serving(answer: Callable[[bytes, bool], bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server for datagrams and streams; `answer` gets the question, and whether that is a stream."""
    datagrams, streams = _one_port()
    port = datagrams.getsockname()[1]
    monkeypatch.setattr(dns_question, "_PORT", port)

    def serve() -> None:
        question, sender = datagrams.recvfrom(512)
        datagrams.sendto(b"\0\0 stray", sender)
        datagrams.sendto(answer(question, False), sender)
        opened, _ = streams.accept()
        with opened:
            if question := opened.recv(512):
                octets = answer(question[2:], True)
                opened.sendall(len(octets).to_bytes(2, "big") + octets)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        with socket.create_connection(("127.0.0.1", port)):
            pass  # lets a server go that still waits for one
        thread.join()
        datagrams.close()
        streams.close()


@pytest.mark.parametrize("is_long", [False, True])
def test_long_answer_is_fetched_as_a_stream(monkeypatch: pytest.MonkeyPatch, is_long: bool) -> None:
    def answer(question: bytes, is_stream: bool) -> bytes:
        if is_long and not is_stream:
            cut = _answer(question)
            cut.flags |= dns.flags.TC
            return cut.to_wire()
        return _answer(question, *_ADDRESSES).to_wire()

    monkeypatch.setattr("os.urandom", lambda count: bytes([7]) * count)
    with _serving(answer, monkeypatch):
        assert sorted(ask_addresses("web", "127.0.0.1", timeout_s=5)) == sorted(_ADDRESSES)


def test_silence_and_absence_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setattr(dns_question, "_PORT", silent.getsockname()[1])
        with pytest.raises(TimeoutError):
            ask_addresses("web", "127.0.0.1", timeout_s=0.05)
    with pytest.raises(ConnectionRefusedError):
        ask_addresses("web", "127.0.0.1", timeout_s=5)
