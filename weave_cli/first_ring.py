"""How the first division of the address range comes to be, as an operator asks for it. Pure.

The command line checks the words before anything is started, the router acts on them (specification ipam,
section 4.1). What an earlier life has stored goes before all of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from weave_cli.errors import UsageProblem
from weave_cli.names import UNKNOWN_PEER, PeerName, format_peer_name, parse_peer_name

_HINT: Final = "Give consensus, consensus=NUMBER_OF_HOSTS, seed=PEER_NAME,... or observer."


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRing:
    """What `--ipalloc-init` says; all of it left out is `consensus`.

    peer_count: hosts that there will be at first; 0: as many as there are targets, and us. seeds: peers that
    divide the range without asking each other. is_observer: wait for the division that others make.
    """

    peer_count: int = 0
    seeds: tuple[PeerName, ...] = ()
    is_observer: bool = False

    def __str__(self) -> str:
        if self.is_observer:
            return "observer"
        if self.seeds:
            return "seed=" + ",".join(format_peer_name(seed) for seed in self.seeds)
        return f"consensus={self.peer_count}" if self.peer_count else "consensus"


def parse_first_ring(text: str) -> FirstRing:
    """The value of `--ipalloc-init`; raises UsageProblem with the Go routers' words for what is wrong."""
    mode, has_parameter, parameter = text.partition("=")
    match mode:
        case "consensus":
            return FirstRing(peer_count=_parse_count(parameter) if has_parameter else 0)
        case "seed":
            if not has_parameter:
                raise _problem("seed mode requires peer name list")
            return FirstRing(seeds=_parse_seeds(parameter))
        case "observer":
            if has_parameter:
                raise _problem("observer mode takes no parameter")
            return FirstRing(is_observer=True)
    raise _problem(f"unknown mode: {mode}")


def choose_first_ring(init: str | None, init_peer_count: int | None) -> FirstRing:
    """Of the newer option and the one that only counts; raises UsageProblem when both are given."""
    if init is not None and init_peer_count is not None:
        raise UsageProblem(
            "--ipalloc-init and --init-peer-count exclude each other",
            hint=f"Give only --ipalloc-init; consensus={init_peer_count} is what the other one says.",
        )
    if init is not None:
        return parse_first_ring(init)
    return FirstRing(peer_count=init_peer_count or 0)


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _problem(f"bad consensus parameter: {text!r} is not a number of hosts")
    return int(text)


def _parse_seeds(text: str) -> tuple[PeerName, ...]:
    """Ascending, each once: every seed must divide the range alike, however its operator sorts them."""
    seeds = set()
    for word in text.split(",") if text else ():
        try:
            seeds.add(parse_peer_name(word))
        except UsageProblem as problem:
            raise _problem(f"bad seed parameter: {problem.message}") from problem
    if UNKNOWN_PEER in seeds:
        raise _problem(f"bad seed parameter: {format_peer_name(UNKNOWN_PEER)} means nobody")
    return tuple(sorted(seeds))


def _problem(reason: str) -> UsageProblem:
    return UsageProblem(f"Unable to parse --ipalloc-init: {reason}", hint=_HINT)
