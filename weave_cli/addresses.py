"""IPv4 addresses, CIDRs and half-open ranges as plain values. Knows no network, no ring, no command.

An address is an unsigned 32-bit integer: the ring of the allocator is arithmetic on such integers
(specification ipam, section 1). Text appears only at the edges.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem

Address = NewType("Address", int)

# No leading zeros: some programs read 010 as eight, so nobody knows what is meant.
_OCTET = r"(0|[1-9]\d{0,2})"
_DOTTED_QUAD = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}", re.ASCII)

# Whether a word of a command line is meant as an address; whether it is one shows later.
_LIKE_AN_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}", re.ASCII)
_LIKE_A_WISH = re.compile(r"(ip:|net:)?\d{1,3}(\.\d{1,3}){3}/\d{1,2}|net:default", re.ASCII)


def parse_address(text: str) -> Address:
    """A dotted quad as an integer; raises UsageProblem naming the text otherwise."""
    match = _DOTTED_QUAD.fullmatch(text)
    octets = [int(group) for group in match.groups()] if match else []
    if not octets or max(octets) > 255:
        raise UsageProblem(f"invalid IP Address: {text}", code=Code.BAD_ADDRESS)
    return Address(int.from_bytes(bytes(octets), "big"))


def format_address(address: int) -> str:
    """The dotted quad of an integer address."""
    return f"{address >> 24 & 255}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Addresses from start up to, not including, end (end may be 2**32)."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def __contains__(self, address: int) -> bool:
        return self.start <= address < self.end

    def overlaps(self, other: Range) -> bool:
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{format_address(self.start)}-{format_address(self.end - 1)}"


@dataclass(frozen=True, slots=True, order=True)
class Cidr:
    """An address with a prefix length: a network when its host bits are zero, else an address in one."""

    address: int
    prefix_len: int

    @property
    def network(self) -> Range:
        """All addresses of the network this CIDR lies in."""
        size = 1 << (32 - self.prefix_len)
        start = self.address & ~(size - 1)
        return Range(start, start + size)

    @property
    def usable(self) -> Range:
        """The network's addresses without its first and last one (specification ipam, section 1)."""
        whole = self.network
        return Range(whole.start + 1, whole.end - 1)

    @property
    def is_network(self) -> bool:
        return self.address == self.network.start

    def __str__(self) -> str:
        return f"{format_address(self.address)}/{self.prefix_len}"


def parse_cidr(text: str) -> Cidr:
    """`a.b.c.d/n` as a value; raises UsageProblem naming the text otherwise."""
    address_text, slash, prefix_text = text.partition("/")
    if not slash or not re.fullmatch(r"\d{1,2}", prefix_text, re.ASCII) or int(prefix_text) > 32:
        raise UsageProblem(f"invalid CIDR address: {text}", code=Code.BAD_ADDRESS)
    try:
        return Cidr(parse_address(address_text), int(prefix_text))
    except UsageProblem:
        raise UsageProblem(f"invalid CIDR address: {text}", code=Code.BAD_ADDRESS) from None


def parse_subnet(text: str) -> Cidr:
    """A CIDR with zero host bits and at least four addresses (specification ipam, section 1)."""
    cidr = parse_cidr(text)
    if not cidr.is_network:
        raise UsageProblem(
            f"invalid subnet - bits after network prefix are not all zero: {text}", code=Code.BAD_ADDRESS
        )
    if cidr.prefix_len > 30:
        raise UsageProblem(f"invalid subnet - smaller than minimum size 4: {text}", code=Code.BAD_ADDRESS)
    return cidr


def parse_trusted_subnets(text: str) -> tuple[Cidr, ...]:
    """Networks separated by commas, none for an empty text; host bits are cut off, as the Go routers do.

    Raises UsageProblem naming the part that is no CIDR.
    """
    try:
        found = [parse_cidr(part.strip()) for part in text.split(",")] if text.strip() else []
    except UsageProblem as problem:
        raise UsageProblem(
            problem.message, hint="Subnets look like 10.0.0.0/8,192.168.1.0/24.", code=Code.BAD_ADDRESS
        ) from None
    return tuple(Cidr(one.network.start, one.prefix_len) for one in found)


@dataclass(frozen=True, slots=True)
class Fixed:
    """The wish for this very address: `a.b.c.d/n` or `ip:a.b.c.d/n`."""

    cidr: Cidr


@dataclass(frozen=True, slots=True)
class FromSubnet:
    """The wish for any free address of a subnet: `net:a.b.c.d/n`; None is `net:default`."""

    subnet: Cidr | None


Wish = Fixed | FromSubnet


def split_wishes(words: Sequence[str]) -> tuple[tuple[Wish, ...], tuple[str, ...]]:
    """The wishes that a command line begins with, and the other words (specification cli, section 5).

    No wish at all is the one for an address of the default subnet. Raises UsageProblem for a word that looks
    like a wish and is none.
    """
    count = _count_leading(_LIKE_A_WISH, words)
    wishes = tuple(_parse_wish(word) for word in words[:count])
    return wishes or (FromSubnet(None),), tuple(words[count:])


def is_wish(word: str) -> bool:
    """Does it look like one?"""
    return bool(_LIKE_A_WISH.fullmatch(word))


def explain_no_wish(word: str) -> str | None:
    """What is wrong with a word that was probably meant as a wish; None for others."""
    kind, colon, rest = word.rpartition(":")
    if kind not in ("", "ip", "net"):
        return None
    if _LIKE_AN_ADDRESS.fullmatch(rest):
        return f"It has no prefix length: {kind}{colon}{rest}/24 has one."
    if kind:
        return "There are 10.2.1.1/24, net:10.2.1.0/24 and net:default."
    return None


def split_addresses(words: Sequence[str]) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """The plain addresses that a command line begins with, and the other words."""
    count = _count_leading(_LIKE_AN_ADDRESS, words)
    return tuple(parse_address(word) for word in words[:count]), tuple(words[count:])


def _count_leading(pattern: re.Pattern[str], words: Sequence[str]) -> int:
    return next((index for index, word in enumerate(words) if not pattern.fullmatch(word)), len(words))


def _parse_wish(word: str) -> Wish:
    if word == "net:default":
        return FromSubnet(None)
    if word.startswith("net:"):
        return FromSubnet(parse_subnet(word.removeprefix("net:")))
    return Fixed(parse_cidr(word.removeprefix("ip:")))
