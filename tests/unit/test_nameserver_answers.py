"""Answers against those that a Go router gave, and against dnspython's reading of them."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.names import FakeNames
from tests.vectors.load import load
from weave_cli.addresses import parse_address
from weave_cli.router.nameserver.answers import Answerer, Ready, Unanswered, server_failure

pytestmark = pytest.mark.unit

_MANY: list[int] = [parse_address(f"10.40.0.{number}") for number in range(1, 61)]


def recorded_names() -> FakeNames:
    """The names that the recorded router had."""
    return FakeNames(
        addresses={
            "web.weave.local.": [parse_address("10.32.0.1")],
            "mixedcase.weave.local.": [parse_address("10.32.0.2")],
            "a.sub.weave.local.": [parse_address("10.32.0.3")],
            "many.weave.local.": _MANY,
        },
        hostnames={parse_address("10.32.0.1"): "web.weave.local."},
    )


def answerer(names: FakeNames | None = None, *, seed: int = 1, domain: str = "weave.local.") -> Answerer:
    return Answerer(names or recorded_names(), domain=domain, ttl=1, rng=random.Random(seed))


def answer_of(packet: bytes, *, is_limited: bool = True, to: Answerer | None = None) -> bytes:
    """The octets of an answer that must come from us."""
    ready = (to or answerer()).prepare(packet, is_limited=is_limited)
    assert isinstance(ready, Ready)
    return packet[:2] + next(ready.bodies)


def ask(name: str, kind: str = "A", *, to: Answerer | None = None, is_limited: bool = True) -> Any:
    """dnspython's reading of our answer to dnspython's question."""
    query = dns.message.make_query(name, kind)
    answer = dns.message.from_wire(answer_of(query.to_wire(), to=to, is_limited=is_limited))
    assert query.is_response(answer)
    return answer


def records_of(answer: Any) -> list[str]:
    return [str(data) for rrset in answer.answer for data in rrset]


@pytest.mark.parametrize("vector", load("dns-queries")["vectors"], ids=lambda vector: str(vector["name"]))
def test_queries_are_answered_as_a_go_router_did(vector: dict[str, Any]) -> None:
    packet = bytes.fromhex(vector["query_hex"])
    verdict = answerer().prepare(packet, is_limited=vector["transport"] == "udp")
    if vector.get("no_answer"):
        assert verdict is Unanswered.IGNORE
        return
    expected = vector["response"]
    if any("192.0.2.1" in record for record in expected["answers"]):
        assert verdict is Unanswered.ASK_UPSTREAM
        return
    assert isinstance(verdict, Ready)
    answer = packet[:2] + next(verdict.bodies)
    if expected["answer_count"] <= 1:
        assert answer.hex() == vector["response_hex"]
        return
    # The order is random: everything before the records is equal, and the records are some of the known ones.
    start = len(packet) - (11 if vector["edns_size"] else 0)
    assert answer[:start].hex() == vector["response_hex"][: 2 * start]
    assert len(answer) == expected["size"]
    addresses = records_of(dns.message.from_wire(answer))
    assert len(set(addresses)) == expected["answer_count"]
    assert {parse_address(address) for address in addresses} <= set(_MANY)


def test_flags_of_the_query_other_than_rd_and_cd_are_not_copied() -> None:
    query = dns.message.make_query("web.weave.local.", "A")
    query.flags = dns.flags.AA | dns.flags.TC | dns.flags.RA | dns.flags.AD | dns.flags.CD
    answer = dns.message.from_wire(answer_of(query.to_wire()))
    assert answer.flags == dns.flags.QR | dns.flags.AA | dns.flags.RA | dns.flags.CD
    missing = dns.message.make_query("nope.weave.local.", "A")
    missing.flags = dns.flags.AA
    flags = dns.message.from_wire(answer_of(missing.to_wire())).flags
    assert flags == dns.flags.QR | dns.flags.RA | dns.rcode.NXDOMAIN


def test_duplicate_addresses_make_duplicate_records() -> None:
    names = FakeNames(addresses={"twice.weave.local.": [7, 7]})
    packet = dns.message.make_query("twice.weave.local.", "A").to_wire()
    assert answer_of(packet, to=answerer(names))[6:8] == b"\0\2"


def test_each_address_comes_first_about_equally_often() -> None:
    names = FakeNames(addresses={"web.weave.local.": [1, 2, 3]})
    ready = answerer(names).prepare(dns.message.make_query("web", "A").to_wire(), is_limited=True)
    assert isinstance(ready, Ready)
    firsts = Counter(
        records_of(dns.message.from_wire(b"\0\0" + next(ready.bodies)))[0] for _ in range(16 * 8 * 30)
    )
    assert set(firsts) == {"0.0.0.1", "0.0.0.2", "0.0.0.3"}
    assert min(firsts.values()) > 0.7 * max(firsts.values())


def test_a_client_that_takes_hardly_anything_gets_an_empty_truncated_answer() -> None:
    query = dns.message.make_query("many.weave.local.", "A", use_edns=0, payload=20)
    answer = dns.message.from_wire(answer_of(query.to_wire()))
    assert answer.flags & dns.flags.TC and records_of(answer) == []


def test_an_answer_by_tcp_never_outgrows_its_length_field() -> None:
    names = FakeNames(addresses={"huge.weave.local.": list(range(3000))})
    packet = dns.message.make_query("huge.weave.local.", "A").to_wire()
    answer = answer_of(packet, to=answerer(names), is_limited=False)
    assert 65000 < len(answer) <= 65535 and dns.message.from_wire(answer).flags & dns.flags.TC


def test_a_dot_inside_a_label_is_no_end_of_a_label() -> None:
    names = FakeNames(addresses={"a.b.weave.local.": [1], "a.weave.local.": [2]})
    assert ask("a\\.b.weave.local.", to=answerer(names)).rcode() == dns.rcode.NXDOMAIN
    packet = dns.message.make_query("x\\.weave.local.", "A").to_wire()
    assert answerer(names).prepare(packet, is_limited=True) is Unanswered.ASK_UPSTREAM


def test_names_in_utf8_are_found() -> None:
    names = FakeNames(addresses={"hôte.weave.local.": [1]})
    packet = bytes.fromhex("123401000001000000000000") + b"\5h\xc3\xb4te\5weave\5local\0\0\1\0\1"
    assert answer_of(packet, to=answerer(names))[6:8] == b"\0\1"


@pytest.mark.parametrize(
    "hostname", ["x" * 64 + ".weave.local.", "a..weave.local.", ".".join(["y" * 60] * 5)]
)
def test_a_host_name_that_dns_cannot_say_is_asked_upstream(hostname: str) -> None:
    names = FakeNames(hostnames={parse_address("10.0.0.1"): hostname})
    packet = dns.message.make_query("1.0.0.10.in-addr.arpa.", "PTR").to_wire()
    assert answerer(names).prepare(packet, is_limited=True) is Unanswered.ASK_UPSTREAM


@pytest.mark.parametrize(
    "name",
    ["in-addr.arpa.", "x.0.0.10.in-addr.arpa.", "256.0.0.10.in-addr.arpa.", "5.1.0.0.10.in-addr.arpa."],
)
def test_reverse_names_that_are_no_address_do_not_exist(name: str) -> None:
    assert ask(name, "PTR").rcode() == dns.rcode.NXDOMAIN


def test_the_root_and_its_ds_are_asked_upstream_but_a_ds_of_one_label_is_not() -> None:
    for name in (".", "weave.local."):
        packet = dns.message.make_query(name, "DS").to_wire()
        assert answerer().prepare(packet, is_limited=True) is Unanswered.ASK_UPSTREAM
    assert ask("web.", "DS").rcode() == dns.rcode.NOERROR
    assert ask("nope.", "DS").rcode() == dns.rcode.NXDOMAIN


def test_another_domain_may_have_one_label_or_three() -> None:
    names = FakeNames(addresses={"web.lan.": [1], "web.a.b.c.": [2]})
    assert records_of(ask("WEB.lan.", to=answerer(names, domain="LAN."))) == ["0.0.0.1"]
    assert records_of(ask("web.", to=answerer(names, domain="lan."))) == ["0.0.0.1"]
    assert records_of(ask("web.a.b.c.", to=answerer(names, domain="a.b.c."))) == ["0.0.0.2"]


def test_other_operations_are_not_implemented() -> None:
    packet = bytes.fromhex("12342900000100000000000003776562057765617665056c6f63616c0000010001")
    assert answer_of(packet).hex() == "1234a9040000000000000000"


@pytest.mark.parametrize(
    "packet_hex",
    [
        "123401000001000000000000",  # a question announced that is not there
        "12340100000100000000000003776562c00c00010001",  # pointer in the first name
        "123401000001000000000000037765620000",  # type cut short
        "1234010000010000000000010377656200000100010000290200000000000aff",  # OPT longer than the packet
        "12340100000100000000000040" + "61" * 64 + "0000010001",  # label of 64 octets
        "123401000001000000000000" + ("3f" + "61" * 63) * 4 + "0000010001",  # name of 257 octets
    ],
)
def test_malformed_queries_get_a_format_error(packet_hex: str) -> None:
    assert answer_of(bytes.fromhex(packet_hex)).hex() == "123481010000000000000000"


@given(st.binary(max_size=60) | st.binary(max_size=50).map(lambda tail: b"\0\0\1\0\0\1\0\0\0\0\0\1" + tail))
@example(b"")
@example(b"\0" * 11)
@settings(max_examples=400, deadline=None)
def test_no_octets_make_it_fail_and_every_answer_can_be_read(packet: bytes) -> None:
    for is_limited in (True, False):
        verdict = answerer().prepare(packet, is_limited=is_limited)
        if isinstance(verdict, Ready):
            answer = dns.message.from_wire(packet[:2] + next(verdict.bodies))
            assert answer.id == int.from_bytes(packet[:2], "big") and answer.flags & dns.flags.QR
        elif verdict is Unanswered.ASK_UPSTREAM:
            assert dns.message.from_wire(server_failure(packet)).rcode() == dns.rcode.SERVFAIL


_LABEL = st.text("aBz09-_", min_size=1, max_size=10)


@given(
    st.lists(_LABEL, min_size=1, max_size=4),
    st.sampled_from(["A", "AAAA", "MX", "PTR", "ANY"]),
    st.none() | st.integers(12, 5000),
)
@settings(max_examples=150, deadline=None)
def test_what_dnspython_writes_is_understood(labels: list[str], kind: str, size: int | None) -> None:
    name = ".".join([*labels, "weave", "local", ""])
    names = FakeNames(addresses={name.lower(): [1, 2, 3]})
    query = dns.message.make_query(name, kind, use_edns=None if size is None else 0, payload=size or 0)
    packet = query.to_wire()
    octets = answer_of(packet, to=answerer(names))
    assert len(octets) <= max(size or 512, len(packet))
    answer = dns.message.from_wire(octets)
    assert query.is_response(answer) and answer.rcode() == dns.rcode.NOERROR
    if not answer.flags & dns.flags.TC:
        assert sorted(records_of(answer)) == (["0.0.0.1", "0.0.0.2", "0.0.0.3"] if kind == "A" else [])


def test_failure_of_upstream_keeps_question_and_id() -> None:
    query = dns.message.make_query("www.example.com.", "A")
    answer = dns.message.from_wire(server_failure(query.to_wire()))
    assert query.is_response(answer)
    assert answer.rcode() == dns.rcode.SERVFAIL and answer.flags & dns.flags.RA
