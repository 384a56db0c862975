"""Networks that are the same on all hosts, behind the API: made, listed, removed, and remembered.

What is made of them on each host is the plugin's affair: it asks for the list and has its Docker make them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from weave_cli.addresses import Cidr, parse_subnet
from weave_cli.errors import UsageProblem
from weave_cli.names import PeerName, format_peer_name
from weave_cli.realms import realm_of
from weave_cli.router.networks.channel import NetworkChannel
from weave_cli.router.networks.definitions import (
    Definition,
    check_name,
    decode_definitions,
    encode_definitions,
    realm_key,
)

log = logging.getLogger(__name__)

#: Prefix length of a subnet that we choose.
_CHOSEN_PREFIX_LEN: Final = 24


class NetworkMemory(Protocol):
    """Where a text is kept over restarts."""

    def find_networks(self) -> str | None: ...
    def save_networks(self, text: str) -> None: ...


class NetworkDesk:
    """Plays the API's NetworkService."""

    def __init__(
        self,
        channel: NetworkChannel,
        memory: NetworkMemory,
        *,
        whole: Cidr | None,
        nickname_of: Callable[[PeerName], str],
        clock: Callable[[], float],
        pump: Callable[[], None],
    ) -> None:
        """whole: the allocator's range; pump: writes down what was saved and sends what waits."""
        self._channel = channel
        self._memory = memory
        self._whole = whole
        self._nickname_of = nickname_of
        self._clock = clock
        self._pump = pump

    def recall(self) -> None:
        """Know again what an earlier life knew."""
        text = self._memory.find_networks()
        if text is None:
            return
        try:
            self._channel.restore(decode_definitions(json.loads(text)))
        except (ValueError, UsageProblem) as problem:
            log.error("networks of an earlier life are lost: %s", problem)

    def save(self) -> None:
        """Definitions changed, by us or by others."""
        self._memory.save_networks(json.dumps(encode_definitions(self._channel.networks)))

    def networks(self) -> Sequence[Mapping[str, Any]]:
        """Each network with what Docker shall be told, and the hosts on which containers have it; by name."""
        rows = encode_definitions(self._channel.networks)
        return [
            {"name": name, "key": realm_key(name), **row, "hosts": self._hosts(name)}
            for name, row in rows.items()
        ]

    def create(
        self, name: str, subnet: Cidr | None, options: Mapping[str, str], *, is_internal: bool
    ) -> None:
        """Let all hosts have it. Raises UsageProblem when that cannot be."""
        check_name(name)
        if self._whole is None:
            raise UsageProblem("networks of all hosts need the address allocator, which is switched off")
        known = self._channel.networks.get(name)
        if known is not None and not known.is_removed:
            raise UsageProblem(f"network {name} exists already, with subnet {known.subnet}")
        chosen = self._choose(name) if subnet is None else self._check(subnet)
        definition = Definition(
            version=0,
            subnet=str(chosen),
            options=tuple(sorted(options.items())),
            is_internal=is_internal,
        )
        decode_definitions(encode_definitions({name: definition}))
        self._channel.define(name, definition, self._clock())
        self._pump()

    def remove(self, name: str) -> None:
        """Let no host have it. Raises UsageProblem naming the hosts on which containers are on it."""
        known = self._channel.networks.get(name)
        if known is None or known.is_removed:
            raise UsageProblem(f"there is no network {name}", hint="'weave network ls' lists them.")
        if hosts := self._hosts(name):
            raise UsageProblem(
                f"network {name} has containers on {', '.join(hosts)}",
                hint="Disconnect or remove them first.",
            )
        removed = Definition(version=0, subnet=known.subnet, is_removed=True)
        self._channel.define(name, removed, self._clock())
        self._pump()

    def _hosts(self, name: str) -> list[str]:
        holders = self._channel.holders(realm_of(realm_key(name)).vni)
        return sorted(self._nickname_of(holder) or format_peer_name(holder) for holder in holders)

    def _check(self, subnet: Cidr) -> Cidr:
        assert self._whole is not None
        if subnet.prefix_len < self._whole.prefix_len or subnet.address not in self._whole.network:
            raise UsageProblem(
                f"subnet {subnet} is not inside the range {self._whole} that addresses are given out from",
                hint="Choose one inside it, or launch with another --ipalloc-range.",
            )
        for other in self._taken():
            if subnet.network.overlaps(other.network):
                raise UsageProblem(f"subnet {subnet} overlaps with {other} of another network")
        return subnet

    def _choose(self, name: str) -> Cidr:
        """A free subnet; two hosts that choose at the same time hardly choose the same."""
        assert self._whole is not None
        if self._whole.prefix_len >= _CHOSEN_PREFIX_LEN:
            raise UsageProblem(
                f"the range {self._whole} is too small to choose a subnet", hint="Give --subnet."
            )
        count = 1 << (_CHOSEN_PREFIX_LEN - self._whole.prefix_len)
        size = 1 << (32 - _CHOSEN_PREFIX_LEN)
        start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        taken = self._taken()
        for number in range(count):
            address = self._whole.network.start + (start + number) % count * size
            chosen = Cidr(address, _CHOSEN_PREFIX_LEN)
            if not any(chosen.network.overlaps(other.network) for other in taken):
                return chosen
        raise UsageProblem(f"no free subnet is left in {self._whole}", hint="Give --subnet.")

    def _taken(self) -> list[Cidr]:
        return [parse_subnet(one.subnet) for one in self._channel.networks.values() if not one.is_removed]
