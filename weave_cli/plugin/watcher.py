"""Containers on our networks become DNS names, and their names go with them. Knows no socket of Docker's.

Everything happens in one queue, one thing after the other: Docker's events, and `resync`, which looks at all
there is, after each subscription and each return of the router.

While a container starts or ends, its `docker run` and we want the same processors. So we look a moment after
its start, and not at all when it has died by then; and of one that died without a name of ours the router
hears when its end is over.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from weave_cli.addresses import Cidr, format_address
from weave_cli.api.aio import AsyncRouterClient
from weave_cli.api.sync import RouterUnreachable
from weave_cli.containers.door import DockerDoor
from weave_cli.errors import DockerProblem, RouterProblem, StoreProblem
from weave_cli.names import HOST_LINK_PREFIX
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.naming import Name, absolute, attached_names, wanted_names
from weave_cli.plugin.pulse import RouterPulse

if TYPE_CHECKING:
    from weave_cli.containers.attachments import AttachedContainer
    from weave_cli.containers.events import Event

log = logging.getLogger(__name__)

#: A container that connects because it starts says so soon after.
_START_FOLLOWS_S: Final = 0.5

#: A container whose connection was told before we listened starts within that time.
_GAP_S: Final = 60.0

#: Many a container ends at once: to ask Docker about it and to name it would have been in vain.
_LOOK_AFTER_S: Final = 0.05

#: By then a container that died has been removed, if that was wished.
_END_TAKES_S: Final = 0.5

_RETRY_S: Final = 5.0

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


def is_attached(pid: int) -> bool:
    """Has a command put the process's container on the network? Its pair of devices is there then."""
    from weave_cli.host.veth import is_link_present

    return pid > 0 and is_link_present(f"{HOST_LINK_PREFIX}{pid}")


class NameWatcher:
    """Keeps the router's names of our containers as they should be."""

    def __init__(
        self,
        docker: DockerDoor,
        router: AsyncRouterClient,
        pulse: RouterPulse,
        journal: Journal,
        drivers: Collection[str],
        *,
        retry_s: float = _RETRY_S,
        is_attached: Callable[[int], bool] = is_attached,
    ) -> None:
        """drivers: containers on their networks get names."""
        self._is_attached = is_attached
        self._docker = docker
        self._router = router
        self._pulse = pulse
        self._journal = journal
        self._drivers = frozenset(drivers)
        self._retry_s = retry_s
        self._has_retry = False
        self._queue: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._networks: set[str] = set()
        self._connecting: set[str] = set()
        self._died: set[str] = set()
        #: Died, and the router may have names of theirs that others gave.
        self._unsaid: set[str] = set()
        self._gap_ends = float("-inf")
        #: What we gave, in an earlier life too: only that may be taken away from a container that runs.
        self._names: dict[str, frozenset[Name]] = {}
        for container, address, fqdn in journal.list_names():
            name = Name(container=container, address=address, fqdn=fqdn)
            self._names[container] = self._names.get(container, frozenset()) | {name}

    def on_event(self, event: Event) -> None:
        self._queue.put_nowait(partial(self._handle, event))

    def on_subscribed(self) -> None:
        """Events are told from now on; of a container that is just starting, only its start will be."""
        self._gap_ends = asyncio.get_running_loop().time() + _GAP_S
        self.resync()

    def resync(self) -> None:
        """Look at everything."""
        self._queue.put_nowait(self._resync)

    async def run(self) -> None:
        """Work for ever."""
        while True:
            work = await self._queue.get()
            try:
                await work()
            except DockerProblem as problem:
                log.warning("%s", problem)
                if not self._has_retry:  # what was missed is found by looking at everything
                    self._has_retry = True
                    asyncio.get_running_loop().call_later(self._retry_s, self.resync)

    def _later(self, delay_s: float, work: Callable[[], Awaitable[None]]) -> None:
        asyncio.get_running_loop().call_later(delay_s, self._queue.put_nowait, work)

    async def _handle(self, event: Event) -> None:
        from weave_cli.containers.events import NetworkEvent

        container_id = event.container_id
        if isinstance(event, NetworkEvent):
            if event.driver in self._drivers:
                await self._handle_network(event.action, event.network_id, container_id)
        elif event.action == "start":
            await self._handle_start(container_id)
        elif event.action == "rename" and container_id in self._names:
            await self._look(container_id)
        elif event.action in ("die", "destroy"):
            await self._handle_end(event.action, container_id)

    async def _handle_start(self, container_id: str) -> None:
        await self._withdraw_unsaid(container_id)  # not later: it may be named again by then
        if asyncio.get_running_loop().time() < self._gap_ends:
            self._connecting.add(container_id)
        if container_id in self._died:
            # Whoever restarted it may have named it again before we heard of its death.
            self._died.discard(container_id)
            self._connecting.add(container_id)
        if container_id in self._connecting:
            self._later(_LOOK_AFTER_S, partial(self._look_if_connecting, container_id))

    async def _handle_end(self, action: str, container_id: str) -> None:
        self._connecting.discard(container_id)
        has_died = container_id in self._died
        (self._died.add if action == "die" else self._died.discard)(container_id)
        if container_id in self._names:
            await self._withdraw(container_id)
        elif not has_died:
            self._unsaid.add(container_id)
            self._later(_END_TAKES_S, partial(self._withdraw_unsaid, container_id))

    async def _withdraw_unsaid(self, container_id: str) -> None:
        if container_id in self._unsaid:
            await self._withdraw(container_id)

    async def _handle_network(self, action: str, network_id: str, container_id: str) -> None:
        if action == "connect":
            self._networks.add(network_id)
            self._connecting.add(container_id)
            self._later(_START_FOLLOWS_S, partial(self._look_if_connecting, container_id))
        elif action == "disconnect" and container_id in self._names:
            await self._look(container_id)
        elif action == "destroy":
            self._networks.discard(network_id)

    async def _look_if_connecting(self, container_id: str) -> None:
        if container_id in self._connecting:
            await self._look(container_id)

    async def _look(self, container_id: str) -> None:
        """Ask Docker about one container, and bring its names up to that."""
        from weave_cli.containers.attachments import find_attached

        contact = self._pulse.contact
        if contact is None or contact.domain is None:
            return  # there will be a resync
        found = await self._docker.call(find_attached, container_id)
        if found is None:
            await self._withdraw(container_id)
        elif found.is_running:
            self._connecting.discard(container_id)
            owned = await self._read_owned() if self._is_attached(found.pid) else {}
            await self._apply(container_id, self._wanted(found, contact.domain, owned))

    async def _apply(self, container_id: str, wanted: frozenset[Name]) -> None:
        present = self._names.get(container_id, frozenset())
        self._names[container_id] = wanted
        if wanted != present:
            self._write_down(container_id)
        for name in sorted(present - wanted):
            await self._remove(name)
        for name in sorted(wanted - present):
            await self._add(name)

    async def _withdraw(self, container_id: str) -> None:
        """All its names: commands may have given it some that we do not know of."""
        self._unsaid.discard(container_id)
        if self._names.pop(container_id, None):
            self._write_down(container_id)
        if self._pulse.contact is not None and self._pulse.contact.domain is not None:
            await self._remove_all(container_id)

    def _wanted(
        self, found: AttachedContainer, domain: str, owned: Mapping[str, Sequence[Cidr]]
    ) -> frozenset[Name]:
        """What it is called on our networks, and where commands put it; owned: addresses by container."""
        names = wanted_names(found, self._networks, domain)
        if self._is_attached(found.pid):
            names |= attached_names(found, (cidr.address for cidr in owned.get(found.id, ())), domain)
        return names

    async def _read_owned(self) -> Mapping[str, Sequence[Cidr]]:
        try:
            return await self._router.owned()
        except RouterProblem as problem:
            self._note_failure("ask for the addresses of containers", problem)
            return {}

    async def _resync(self) -> None:
        """Names from scratch: what should be there, against what the router has."""
        from weave_cli.containers.attachments import find_attached, list_driver_networks, list_running_ids

        self._has_retry = False
        contact = self._pulse.contact
        if contact is None or contact.domain is None:
            return
        try:
            present = await self._read_present()  # before Docker: who starts in between must not look dead
        except RouterProblem as problem:
            log.warning("cannot compare names: %s", problem)
            self._pulse.report_failure()
            return
        networks = await self._docker.call(list_driver_networks)
        self._networks = {network.id for network in networks if network.driver in self._drivers}
        running, attached = await self._docker.call(list_running_ids, frozenset(self._networks))
        owned = await self._read_owned()
        wanted: dict[str, frozenset[Name]] = {}
        for container_id in sorted({*attached, *owned} & running):
            found = await self._docker.call(find_attached, container_id)
            if found is not None and found.is_running:
                wanted[container_id] = self._wanted(found, contact.domain, owned)
        former, self._names = self._names, wanted
        for container_id in former.keys() | wanted.keys():
            if former.get(container_id) != wanted.get(container_id):
                self._write_down(container_id)
        await self._correct(present, wanted=_joined(wanted), former=_joined(former), running=running)

    async def _read_present(self) -> frozenset[Name]:
        """The names of containers that this host's router has from us, or from its command line."""
        own = await self._router.own_name()
        return frozenset(
            Name(container=record.container, address=record.address, fqdn=absolute(record.fqdn))
            for record in await self._router.names()
            if record.origin == own and _CONTAINER_ID.fullmatch(record.container)
        )

    async def _correct(
        self,
        present: frozenset[Name],
        *,
        wanted: frozenset[Name],
        former: frozenset[Name],
        running: frozenset[str],
    ) -> None:
        """Add what is missing; remove what we made and want no more, and all names of dead containers.

        Other names of running containers were given by somebody with `weave dns-add`, and those of owners
        that are no containers, such as weave:extern, are not ours either.
        """
        for container_id in sorted({name.container for name in present} - running):
            await self._remove_all(container_id)
        for name in sorted((former - wanted) & present):
            await self._remove(name)
        for name in sorted(wanted - present):
            await self._add(name)

    def _write_down(self, container_id: str) -> None:
        try:
            names = self._names.get(container_id, frozenset())
            self._journal.save_names(container_id, ((name.address, name.fqdn) for name in names))
        except StoreProblem as problem:
            log.warning("%s", problem)

    async def _add(self, name: Name) -> None:
        try:
            await self._router.add_name(name.container, name.address, name.fqdn)
            log.info("%s is %s at %s", name.fqdn, name.container[:12], format_address(name.address))
        except RouterProblem as problem:
            self._note_failure(f"register {name.fqdn}", problem)

    async def _remove(self, name: Name) -> None:
        try:
            await self._router.remove_names(name.container, name.address, fqdn=name.fqdn)
        except RouterProblem as problem:
            self._note_failure(f"withdraw {name.fqdn}", problem)

    async def _remove_all(self, container_id: str) -> None:
        try:
            await self._router.remove_names(container_id)
        except RouterProblem as problem:
            self._note_failure(f"withdraw the names of {container_id[:12]}", problem)

    def _note_failure(self, doing: str, problem: RouterProblem) -> None:
        log.warning("cannot %s: %s", doing, problem)
        if isinstance(problem, RouterUnreachable):
            self._pulse.report_failure()


def _joined(names: dict[str, frozenset[Name]]) -> frozenset[Name]:
    return frozenset[Name]().union(*names.values())
