"""The port of the bridge behind which this router answers other hosts' trials, while somebody makes some.

An address of the allocator, a name, and a TAP device that nobody but us is behind: to the bridge it is a
container. It costs nothing while nobody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.addresses import Address, Cidr
from weave_cli.errors import HostProblem, RouterProblem, WeaveError
from weave_cli.host.bridge import absence, read_bridge
from weave_cli.host.tap import ensure_tap_port, open_tap
from weave_cli.names import TEST_DEVICE, TEST_OWNER
from weave_cli.router.inquiry.echo_host import EchoHost
from weave_cli.router.runtime.addresses import AddressDesk
from weave_cli.router.runtime.names import NameDesk
from weave_cli.router.sleeve.tap import Tap

log = logging.getLogger(__name__)

#: Seconds without anybody asking for it after which it is over.
_LIFE_S: Final = 60.0
_ADDRESS_PATIENCE_S: Final = 2.0


@dataclass(slots=True)
class _Open:
    host: EchoHost
    cidr: Cidr
    fqdn: str
    tap: Tap
    end: asyncio.TimerHandle


class Responder:
    """Open while it is asked for again and again; `close` ends it at once."""

    def __init__(self, addresses: AddressDesk | None, names: NameDesk | None, label: str) -> None:
        """label: what its name in weaveDNS begins with."""
        self._addresses = addresses
        self._names = names
        self._label = label
        self._open: _Open | None = None
        self._opening = asyncio.Lock()

    async def offer(self) -> dict[str, Any]:
        """Answer trials for another minute: where. Raises WeaveError when that is not possible."""
        async with self._opening:
            if self._open is None:
                self._open = await self._begin()
            self._open.end.cancel()
            self._open.end = asyncio.get_running_loop().call_later(_LIFE_S, self._close)
            return {"address": str(self._open.cidr), "fqdn": self._open.fqdn}

    async def seen(self) -> dict[str, Any]:
        """What came since it is open."""
        return {"seen": {} if self._open is None else self._open.host.seen()}

    def close(self) -> None:
        if self._open is not None:
            self._open.end.cancel()
            self._close()

    async def _begin(self) -> _Open:
        cidr = await self._find_address()
        try:
            host, tap = await asyncio.to_thread(_make_port, cidr)
        except BaseException:
            self._release()
            raise
        loop = asyncio.get_running_loop()
        fqdn = "" if self._names is None else f"{self._label}.{self._names.domain}"
        made = _Open(host, cidr, fqdn, tap, loop.call_later(_LIFE_S, self._close))
        loop.add_reader(tap.fd, self._answer, made)
        if self._names is not None:
            self._names.add(fqdn, TEST_OWNER, Address(cidr.address))
        log.info("answering trials of other hosts at %s", cidr)
        return made

    async def _find_address(self) -> Cidr:
        if self._addresses is None:
            raise RouterProblem("this router gives out no addresses")
        allocation = self._addresses.allocate(TEST_OWNER, self._addresses.default_subnet, is_container=False)
        try:
            cidr = await asyncio.wait_for(allocation, _ADDRESS_PATIENCE_S)
        except TimeoutError:
            cidr = None
        if cidr is None:
            raise RouterProblem("no address is free, or the hosts have not divided the range yet")
        return cidr

    def _answer(self, made: _Open) -> None:
        with suppress(BlockingIOError):
            while True:
                try:
                    answer = made.host.receive(made.tap.read())
                    if answer is not None:
                        made.tap.write(answer)
                except BlockingIOError:
                    raise
                except OSError as problem:
                    # Somebody deleted the device; the next who asks gets another.
                    log.warning("cannot answer trials any more: %s", problem.strerror)
                    self.close()
                    return

    def _close(self) -> None:
        made, self._open = self._open, None
        if made is None:
            return
        asyncio.get_running_loop().remove_reader(made.tap.fd)
        made.tap.close()
        if self._names is not None:
            self._names.remove(hostname=None, container=TEST_OWNER, address=None)
        self._release()
        log.info("no longer answering trials")

    def _release(self) -> None:
        if self._addresses is not None:
            with suppress(WeaveError):
                self._addresses.delete(TEST_OWNER)


def _make_port(cidr: Cidr) -> tuple[EchoHost, Tap]:
    """The device, in the bridge. Blocks."""
    bridge = read_bridge()
    if bridge is None:
        raise absence("weave")
    descriptor = open_tap(name=TEST_DEVICE)
    try:
        tap = Tap(descriptor)
        if ensure_tap_port(bridge.mtu, name=TEST_DEVICE, leads_to_peers=False) is None:
            raise HostProblem(f"network device {TEST_DEVICE} has vanished")
    except BaseException:
        os.close(descriptor)
        raise
    mac = bytes((0x02, *random.SystemRandom().randbytes(5)))
    return EchoHost(mac, cidr.address, bridge.mtu), tap
