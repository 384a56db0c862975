"""The allocator behind the API: requests become futures, events their results. Knows no HTTP.

What the allocator journals is committed before an answer is given (architecture, section 5): `deliver` is
called by the pump right after the commit.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence

from weave_cli.addresses import Address, Cidr
from weave_cli.errors import RouterProblem
from weave_cli.router.ipam.allocator import Allocator
from weave_cli.router.ipam.requests import Answered, Cancelled, Refused


class AddressDesk:
    """Plays the API's AddressService over an Allocator."""

    def __init__(self, allocator: Allocator, clock: Callable[[], float], pump: Callable[[], None]) -> None:
        """pump: settles everything that a change to the allocator entails."""
        self._allocator = allocator
        self._clock = clock
        self._pump = pump
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answered | Cancelled]] = {}

    @property
    def default_subnet(self) -> Cidr:
        return self._allocator.default_subnet

    async def allocate(self, ident: str, subnet: Cidr, *, is_container: bool) -> Cidr | None:
        end = await self._ask(
            lambda request: self._allocator.allocate(
                request, ident, subnet, is_container=is_container, now=self._clock()
            )
        )
        return end.cidr if isinstance(end, Answered) else None

    async def claim(self, ident: str, cidr: Cidr, *, no_error_on_unknown: bool, is_container: bool) -> bool:
        end = await self._ask(
            lambda request: self._allocator.claim(
                request,
                ident,
                cidr,
                no_error_on_unknown=no_error_on_unknown,
                is_container=is_container,
                now=self._clock(),
            )
        )
        return isinstance(end, Answered)

    async def wait_for_ring(self) -> bool:
        end = await self._ask(lambda request: self._allocator.wait_for_ring(request, self._clock()))
        return isinstance(end, Answered)

    def lookup(self, ident: str, subnet: Cidr) -> Sequence[Cidr]:
        return self._allocator.lookup(ident, subnet)

    def free(self, ident: str, address: Address) -> None:
        self._allocator.free(ident, address, self._clock())
        self._pump()

    def delete(self, ident: str) -> None:
        self._allocator.delete(ident, self._clock())
        self._pump()

    def owned(self) -> Mapping[str, Sequence[Cidr]]:
        return self._allocator.owned()

    def take_over(self, peer: str) -> int:
        gained = self._allocator.take_over(peer, self._clock())
        self._pump()
        return gained

    def deliver(self) -> None:
        """Give the allocator's results to whoever still waits for them."""
        while event := self._allocator.next_event():
            future = self._waiting.pop(event.request, None)
            if future is None or future.done():
                continue
            match event:
                case Answered() | Cancelled():
                    future.set_result(event)
                case Refused(reason=reason):
                    future.set_exception(RouterProblem(reason))

    def cancel_all(self) -> None:
        """We are going: whoever waits is told so, and gets nothing later."""
        for request, future in self._waiting.items():
            self._allocator.cancel(request, self._clock())
            if not future.done():
                future.set_result(Cancelled(request))
        self._waiting.clear()

    async def _ask(self, begin: Callable[[int], None]) -> Answered | Cancelled:
        request = next(self._numbers)
        future: asyncio.Future[Answered | Cancelled] = asyncio.get_running_loop().create_future()
        self._waiting[request] = future
        try:
            begin(request)
            self._pump()
            return await future
        except BaseException:
            # The client went away, or what it asked for cannot be written down: its place in the queue must
            # not take an address later.
            self._waiting.pop(request, None)
            self._allocator.cancel(request, self._clock())
            raise
