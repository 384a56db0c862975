"""Which containers the proxy attaches, and with which addresses (pure; specification plugin, 9.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import Wish, split_wishes
from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem
from weave_cli.proxy.rewriting.documents import find_variable

#: With its addresses, or `none`.
VARIABLE: Final = "WEAVE_CIDR"
_NONE: Final = "none"

#: Networks with which a container has an own namespace that nobody else attaches. Others are of a network
#: driver, perhaps ours, or are another container's.
_ATTACHED_MODES: Final = frozenset({"", "none", "default", "bridge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """To be attached."""

    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """Not to be attached."""

    reason: str


def decide(
    network_mode: str, environment: Sequence[str], *, wants_default_ipalloc: bool
) -> Member | LeftAlone:
    """Raises UsageProblem naming what is wrong in WEAVE_CIDR."""
    if network_mode not in _ATTACHED_MODES:
        return LeftAlone(reason=f"the container has '--net={network_mode}'")
    text = find_variable(environment, VARIABLE)
    if text == _NONE:
        return LeftAlone(reason="the container was created with the '-e WEAVE_CIDR=none' option")
    if text is None and not wants_default_ipalloc:
        return LeftAlone(
            reason="the container was created without specifying an IP address with '-e WEAVE_CIDR=...'"
            " and the proxy was started with the '--no-default-ipalloc' option"
        )
    return Member(wishes=_read_wishes(text or ""))


def is_of_driver(network_mode: str) -> bool:
    """Does that network have a name, and so a driver?"""
    return network_mode not in _ATTACHED_MODES and not is_shared(network_mode)


def is_shared(network_mode: str) -> bool:
    """Is the container in the host's network, or in another container's?"""
    return network_mode == "host" or network_mode.startswith("container:")


def _read_wishes(text: str) -> tuple[Wish, ...]:
    try:
        wishes, others = split_wishes(text.split())
    except UsageProblem as problem:
        raise _bad(problem.message) from None
    if others:
        raise _bad(f"invalid CIDR address: {others[0]}")
    return wishes


def _bad(reason: str) -> UsageProblem:
    return UsageProblem(
        f"{VARIABLE}: {reason}",
        hint="It takes A.B.C.D/N, net:A.B.C.D/N or net:default, several with blanks between, or none.",
        code=Code.BAD_ADDRESS,
    )
