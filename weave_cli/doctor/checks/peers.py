"""The other hosts: do their clocks agree with ours, and has each a name of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from weave_cli.addresses import Cidr
from weave_cli.doctor.findings import Finding, failure, note, ok, warning

#: Names from a host whose clock differs by more are refused, and its connection with them.
_REFUSED_S: Final = 900.0
#: Less is nothing that anybody would notice; what is measured includes the way there and back.
_NOTICED_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFacts:
    """Another host. skew_s: its clock less ours; None when it does not tell (a Go router, or no answer)."""

    name: str
    nickname: str
    skew_s: float | None
    overlaps: tuple[tuple[Cidr, str], ...] = ()
    """Its routes, with their devices, that overlap with the range of addresses."""
    tells: bool = False
    """It answers at all."""


def check_clocks(peers: Iterable[PeerFacts]) -> Iterator[Finding]:
    for one in peers:
        if one.skew_s is None:
            yield note("clocks.skew", f"{one.nickname} does not tell its clock (another router than ours?)")
            continue
        direction = "ahead" if one.skew_s > 0 else "behind"
        seen = f"the clock of {one.nickname} is {abs(one.skew_s):.0f} s {direction}"
        why = f"from {_REFUSED_S:.0f} s on, hosts refuse each other; before, names live too long or too short"
        mend = "chronyc makestep, or timedatectl set-ntp true (on the host whose clock is wrong)"
        if abs(one.skew_s) > _REFUSED_S:
            yield failure("clocks.skew", seen, why=why, mend=mend)
        elif abs(one.skew_s) > _NOTICED_S:
            yield warning("clocks.skew", seen, why=why, mend=mend)
        else:
            yield ok("clocks.skew", f"the clock of {one.nickname} agrees with ours")


def check_names(us: PeerFacts, peers: Iterable[PeerFacts]) -> Iterator[Finding]:
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for one in (us, *peers):
        owners[one.nickname].append(one.name)
    twins = {nickname: names for nickname, names in owners.items() if len(names) > 1}
    for nickname, names in twins.items():
        yield warning(
            "names.nickname",
            f"{len(names)} hosts are called {nickname}: {', '.join(names)}",
            why="status, rmpeer and logs cannot tell them apart; they may be copies of one disk",
            mend="hostnamectl set-hostname <another name> on one of them; then weave stop; weave launch ...",
        )
    if not twins:
        yield ok("names.nickname", f"{len(owners)} hosts, each with a name of its own")
