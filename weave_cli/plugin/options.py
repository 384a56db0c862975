"""Options that a network of ours may be made with (`docker network create -o`), as values. Pure.

    works.weave.multicast            true: containers get the route for 224.0.0.0/4
    works.weave.isolated             false: the network is part of the one that `weavemesh` networks share
    works.weave.network              networks with the same word here are one, though their ids differ
    com.docker.network.driver.mtu    of containers' interfaces, in octets

Networks of driver `weave`, and of `weave:swarm`, are isolated unless they say otherwise; those of `weavemesh`
never are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from weave_cli.errors import UsageProblem
from weave_cli.names import (
    GLOBAL_DRIVER,
    ISOLATED_OPTION,
    MTU_OPTION,
    MULTICAST_OPTION,
    REALM_OPTION,
    SWARM_DRIVER,
)
from weave_cli.realms import realm_of

_ISOLATING: Final = frozenset({GLOBAL_DRIVER, SWARM_DRIVER})

_TRUE: Final = frozenset({"", "1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_KNOWN: Final = frozenset({MULTICAST_OPTION, ISOLATED_OPTION, REALM_OPTION, MTU_OPTION})

_LEAST_MTU: Final = 68  # of IPv4
_LARGEST_MTU: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """What we have to know of a network when a container comes.

    `realm`: the key of the realm that it is; empty: it is part of the network that all share. `mtu`: 0 for
    that of the bridge. `is_guess`: nobody has told its options yet, these are those of a network without.
    """

    driver: str
    has_multicast: bool = False
    realm: str = ""
    mtu: int = 0
    is_guess: bool = False


def read_facts(driver: str, network_id: str, options: Mapping[str, object]) -> NetworkFacts:
    """What the options mean for a network; those that are no texts are ignored.

    Raises UsageProblem naming the option and its value.
    """
    words = {key: value for key, value in options.items() if isinstance(value, str)}
    has_isolation = driver in _ISOLATING
    is_isolated = _parse_flag(words, ISOLATED_OPTION, default=has_isolation)
    word = words.get(REALM_OPTION, "")
    if not has_isolation and (is_isolated or word):
        option = REALM_OPTION if word else ISOLATED_OPTION
        raise UsageProblem(
            f"networks of driver {driver} are parts of one network: they have no option {option}",
            hint=f"Use driver {GLOBAL_DRIVER}.",
        )
    return NetworkFacts(
        driver=driver,
        has_multicast=_parse_flag(words, MULTICAST_OPTION, default=False),
        realm=realm_of(word or network_id).key if is_isolated else "",
        mtu=_parse_mtu(words.get(MTU_OPTION, "")),
    )


def guess_facts(driver: str, network_id: str) -> NetworkFacts:
    """Of a network that somebody made elsewhere, until its options are known."""
    realm = network_id if driver in _ISOLATING else ""
    return NetworkFacts(driver=driver, realm=realm, is_guess=True)


def unknown_options(options: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted(options.keys() - _KNOWN))


def _parse_flag(words: Mapping[str, str], option: str, *, default: bool) -> bool:
    """Absent is the default, empty is true."""
    word = words.get(option)
    if word is None:
        return default
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise UsageProblem(f"invalid value of option {option}: {word!r}", hint="Use true or false.")


def _parse_mtu(word: str) -> int:
    if not word:
        return 0
    if word.isascii() and word.isdigit() and _LEAST_MTU <= int(word[:6]) <= _LARGEST_MTU:
        return int(word)
    raise UsageProblem(
        f"invalid value of option {MTU_OPTION}: {word!r}",
        hint=f"Use a number between {_LEAST_MTU} and {_LARGEST_MTU}.",
    )
