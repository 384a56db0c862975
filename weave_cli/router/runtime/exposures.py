"""The host's own addresses on the network: on the bridge, in the firewall, and remembered over a reboot.

While the host is up, what is on the bridge is true: commands expose and hide there while no router runs.
After a reboot there is nothing on it, and what was written down is true.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.errors import UsageProblem
from weave_cli.host.exposure import read_exposed, remove_exposed
from weave_cli.host.rules import Exposure

log = logging.getLogger(__name__)

#: Changes with every boot of the host.
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_MASQUERADED: Final = "masquerade"
_PLAIN: Final = "plain"


class ExposureMemory(Protocol):
    """Where a line of text is kept over restarts."""

    def find_exposures(self) -> str | None: ...
    def save_exposures(self, text: str) -> None: ...


class Upkeep(Protocol):
    """Who makes it so on the host."""

    async def want_exposures(self, exposures: tuple[Exposure, ...]) -> None: ...


class ExposureDesk:
    """Plays the API's ExposureService."""

    def __init__(self, memory: ExposureMemory, upkeep: Upkeep, pump: Callable[[], None]) -> None:
        """pump: writes down what was saved."""
        self._memory = memory
        self._upkeep = upkeep
        self._pump = pump
        self._boot_id = _BOOT_ID.read_text().strip()
        self._exposures: dict[Cidr, Exposure] = {}
        self._changing = asyncio.Lock()

    async def recall(self) -> None:
        """Want again what there was; to be called before the host's network is made."""
        boot_id, saved = decode_exposures(self._memory.find_exposures() or "")
        present = await asyncio.to_thread(read_exposed)
        self._exposures = merge_exposures(
            saved, present, is_same_boot=boot_id == self._boot_id and present is not None
        )
        if self._exposures:
            log.info("exposed: %s", ", ".join(map(str, self._exposures)))
        self._save()
        await self._upkeep.want_exposures(tuple(self._exposures.values()))

    async def expose(self, cidr: Cidr, *, masquerades: bool) -> None:
        """Give the host this address; raises HostProblem, and leaves everything as it was."""
        async with self._changing:
            wanted = {**self._exposures, cidr: Exposure(cidr, masquerades)}
            try:
                await self._upkeep.want_exposures(tuple(wanted.values()))
            except BaseException:
                if cidr not in self._exposures:
                    await asyncio.to_thread(remove_exposed, cidr)
                raise
            self._exposures = wanted
            self._save()

    async def hide(self, cidr: Cidr) -> None:
        """Take it away; one that the host does not have is no error."""
        async with self._changing:
            wanted = {key: one for key, one in self._exposures.items() if key != cidr}
            await self._upkeep.want_exposures(tuple(wanted.values()))
            self._exposures = wanted
            self._save()
            await asyncio.to_thread(remove_exposed, cidr)

    def _save(self) -> None:
        self._memory.save_exposures(encode_exposures(self._boot_id, self._exposures.values()))
        self._pump()


def merge_exposures(
    saved: Iterable[Exposure], present: tuple[Cidr, ...] | None, *, is_same_boot: bool
) -> dict[Cidr, Exposure]:
    """What is to be exposed: `present` is on the bridge, None when there is no bridge."""
    known = {exposure.cidr: exposure for exposure in saved}
    on_bridge = {cidr: known.get(cidr, Exposure(cidr)) for cidr in present or ()}
    return on_bridge if is_same_boot else {**known, **on_bridge}


def encode_exposures(boot_id: str, exposures: Iterable[Exposure]) -> str:
    """`BOOT-ID CIDR=masquerade CIDR=plain ...`"""
    words = (f"{one.cidr}={_MASQUERADED if one.masquerades else _PLAIN}" for one in exposures)
    return " ".join((boot_id, *words))


def decode_exposures(text: str) -> tuple[str, tuple[Exposure, ...]]:
    """Boot id and exposures; what does not parse is left out, for the router must start all the same."""
    boot_id, *words = text.split() or [""]
    found: list[Exposure] = []
    for word in words:
        cidr, _, manner = word.partition("=")
        try:
            found.append(Exposure(parse_cidr(cidr), manner != _PLAIN))
        except UsageProblem:
            log.warning("cannot expose %r again", word)
    return boot_id, tuple(found)
