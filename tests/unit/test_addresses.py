"""Addresses, CIDRs and ranges."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.addresses import (
    Cidr,
    Fixed,
    FromSubnet,
    Range,
    format_address,
    parse_address,
    parse_cidr,
    parse_subnet,
    parse_trusted_subnets,
    split_addresses,
    split_wishes,
)
from weave_cli.errors import UsageProblem


@given(st.integers(0, (1 << 32) - 1))
def test_every_address_survives_its_text(address: int) -> None:
    assert format_address(address) == str(ipaddress.IPv4Address(address))
    assert parse_address(format_address(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "10.0.0", "10.0.0.0.1", "10.0.0.256", "10.0.0.-1", " 10.0.0.1", "10.0.0.1\n", "10.0.0.1/8"),
        *("a.b.c.d", "0x10.0.0.1", "::1", "10.0.0.010", "00.0.0.0", "1٣.0.0.1", "10..0.1", "1000.0.0.1"),
    ],
)
def test_text_that_is_no_address_is_named(text: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        parse_address(text)
    assert str(problem.value) == f"invalid IP Address: {text}"


@given(st.integers(0, (1 << 32) - 1), st.integers(0, 32))
def test_networks_are_the_library_s(address: int, prefix_len: int) -> None:
    cidr = Cidr(address, prefix_len)
    assert parse_cidr(str(cidr)) == cidr
    network = ipaddress.IPv4Network((address, prefix_len), strict=False)
    assert (cidr.network.start, cidr.network.size) == (int(network.network_address), network.num_addresses)
    assert cidr.is_network == (address == int(network.network_address))
    assert address in cidr.network


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "/8"])
def test_text_that_is_no_cidr_is_named(text: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        parse_cidr(text)
    assert str(problem.value) == f"invalid CIDR address: {text}"


def test_first_and_last_address_are_not_usable() -> None:
    assert parse_cidr("10.1.2.77/24").usable == Range(parse_address("10.1.2.1"), parse_address("10.1.2.255"))
    assert parse_cidr("0.0.0.0/0").usable.size == (1 << 32) - 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10.0.0.1/24", "invalid subnet - bits after network prefix are not all zero: 10.0.0.1/24"),
        ("10.0.0.0/31", "invalid subnet - smaller than minimum size 4: 10.0.0.0/31"),
        ("10.0.0.0/32", "invalid subnet - smaller than minimum size 4: 10.0.0.0/32"),
        ("ten/8", "invalid CIDR address: ten/8"),
    ],
)
def test_subnets_are_checked(text: str, problem: str) -> None:
    with pytest.raises(UsageProblem) as raised:
        parse_subnet(text)
    assert str(raised.value) == problem


def test_smallest_and_largest_subnet_are_fine() -> None:
    assert parse_subnet("10.0.0.252/30") == Cidr(parse_address("10.0.0.252"), 30)
    assert parse_subnet("0.0.0.0/0") == Cidr(0, 0)


@given(*[st.integers(0, 20)] * 4)
def test_ranges_overlap_when_an_address_is_in_both(a: int, b: int, c: int, d: int) -> None:
    one, other = Range(min(a, b), max(a, b) + 1), Range(min(c, d), max(c, d) + 1)
    common = [address for address in range(22) if address in one and address in other]
    assert one.overlaps(other) == bool(common)
    assert other.overlaps(one) == bool(common)


def test_range_is_written_with_its_last_address() -> None:
    assert str(parse_cidr("10.32.0.0/12").network) == "10.32.0.0-10.47.255.255"


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", []),
        ("10.0.0.0/8", ["10.0.0.0/8"]),
        ("10.1.2.3/8,192.168.0.0/16", ["10.0.0.0/8", "192.168.0.0/16"]),
        ("10.0.0.1/32, 10.0.0.2/32", ["10.0.0.1/32", "10.0.0.2/32"]),
        ("0.0.0.0/0", ["0.0.0.0/0"]),
    ],
)
def test_trusted_subnets_are_networks_with_commas(text: str, networks: list[str]) -> None:
    assert [str(one) for one in parse_trusted_subnets(text)] == networks


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/8,", ",", "10.0.0.0/33", "10.0.0.0/8;10.1.0.0/16"])
def test_what_is_no_list_of_networks_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem, match="invalid CIDR address"):
        parse_trusted_subnets(text)


def test_wishes_end_at_the_first_word_that_is_none() -> None:
    words = ["10.2.1.1/24", "ip:10.2.2.1/24", "net:10.2.3.0/24", "net:default", "box", "10.9.9.9/8"]
    wishes, rest = split_wishes(words)
    assert wishes == (
        Fixed(parse_cidr("10.2.1.1/24")),
        Fixed(parse_cidr("10.2.2.1/24")),
        FromSubnet(parse_cidr("10.2.3.0/24")),
        FromSubnet(None),
    )
    assert rest == ("box", "10.9.9.9/8")


@pytest.mark.parametrize(
    "words",
    [(), ("box",), ("10.2.1.1", "box"), ("ip:default",), ("net:",), ("ip:10.2.1.1",), ("a10.2.1.1/24",)],
)
def test_no_wish_is_one_for_the_default_subnet(words: tuple[str, ...]) -> None:
    assert split_wishes(words) == ((FromSubnet(None),), words)


@pytest.mark.parametrize("word", ["999.0.0.1/99", "ip:10.2.1.1/33", "net:10.2.1.1/24", "net:10.2.1.0/31"])
def test_what_looks_like_a_wish_and_is_none_is_named(word: str) -> None:
    with pytest.raises(UsageProblem, match=word.rpartition(":")[2]):
        split_wishes([word, "box"])


def test_plain_addresses_end_at_the_first_word_that_is_none() -> None:
    assert split_addresses(["10.2.1.1", "10.2.1.2", "box", "10.9.9.9"]) == (
        (parse_address("10.2.1.1"), parse_address("10.2.1.2")),
        ("box", "10.9.9.9"),
    )
    with pytest.raises(UsageProblem, match=r"300\.1\.1\.1"):
        split_addresses(["300.1.1.1"])
