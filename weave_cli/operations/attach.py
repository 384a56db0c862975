"""Put a running container on the network, and take it off: address, interface, name.

An address may take its time; only what changes the kernel is done alone on this host. Whatever fails or is
interrupted half-way, what was begun is undone: interface, addresses, names.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Final

from weave_cli.addresses import Cidr, Fixed, FromSubnet, Wish
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.containers import lifecycle, lookup
from weave_cli.containers.client import Docker
from weave_cli.containers.facts import RunningContainer
from weave_cli.containers.hostsfile import ExtraHost, render_hosts, rewrite_hosts
from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem, RouterProblem, UsageProblem
from weave_cli.host.guest import attach_guest, detach_guest, let_go, read_guest, restore_guest
from weave_cli.host.netns import is_in_our_namespace
from weave_cli.host_files import on_host
from weave_cli.interrupts import FINISHED, unbroken, undoing
from weave_cli.operations import preflight
from weave_cli.operations.asking import explain_unreachable, is_router_down
from weave_cli.operations.bridge import ensure_bridge
from weave_cli.operations.dead_holders import claim_from_the_dead
from weave_cli.operations.lock import alone_with, exclusively
from weave_cli.operations.registering import register, withdraw
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

_NO_ALLOCATOR: Final = "IP address allocation must be enabled to use 'net:'"


class OnFailure(Enum):
    """What becomes of a container that cannot be attached."""

    LEAVE = auto()
    KILL = auto()
    KILL_PROCESS = auto()
    """Docker believes that it ended by itself, and restarts it if that is its policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachOptions:
    """How, beside the addresses."""

    rewrites_hosts: bool = False
    extra_hosts: tuple[ExtraHost, ...] = ()
    """Go into the rewritten /etc/hosts."""
    wants_multicast_route: bool = True
    wants_dns: bool = True
    on_failure: OnFailure = OnFailure.LEAVE


def attach(
    client: Docker,
    settings: Settings,
    name: str,
    wishes: Sequence[Wish],
    options: AttachOptions,
    reporter: Reporter,
) -> tuple[Cidr, ...]:
    """Give a running container the addresses wished for; answers them in order."""
    found = lookup.get_running(client, name)
    api = RouterClient(settings.http_address)
    with (
        _killed_on_failure(client, found, options.on_failure),
        alone_with(found.id, reporter),
        _undone(api, found, name, wishes),
    ):
        cidrs = claim_wishes(api, found.id, wishes, settings, reporter, check_alive=True)
        with exclusively(reporter) as has_waited, unbroken():
            # Addresses may have taken long: is it still the same life of the container?
            if lookup.get_running(client, found.id).pid != found.pid:
                raise HostProblem(
                    f"Container {name} died",
                    hint="It was started again meanwhile; try again.",
                    code=Code.CONTAINER_DIED,
                )
            if has_waited:
                check_still_owned(api, found.id, wishes, cidrs, settings)
            ensure_bridge(settings)
            if options.rewrites_hosts:
                _rewrite_hosts(found, cidrs, options.extra_hosts)
            with explained(found.pid, name):
                attach_guest(found.pid, cidrs, wants_multicast_route=options.wants_multicast_route)
        if options.wants_dns:
            register(api, found.id, found.fqdn, cidrs)
        with explained(found.pid, name):
            let_go(found.pid)  # nobody waits, but where the proxy made the container
    return cidrs


def detach(
    client: Docker, settings: Settings, name: str, wishes: Sequence[Wish], reporter: Reporter
) -> tuple[Cidr, ...]:
    """Take addresses from a running container, the interface with the last one; answers those asked for."""
    found = lookup.get_running(client, name)
    api = RouterClient(settings.http_address)
    with alone_with(found.id, reporter):
        allocated, cidrs = look_up_wishes(api, found.id, wishes, settings)
        with exclusively(reporter), unbroken(FINISHED):
            with explained(found.pid, name):
                if not is_in_our_namespace(found.pid):
                    detach_guest(found.pid, cidrs)
            withdraw(api, found.id, found.fqdn, cidrs)
            release_all(api, found.id, allocated, cidrs)
    return cidrs


def claim_wishes(
    api: RouterClient,
    owner: str,
    wishes: Sequence[Wish],
    settings: Settings,
    reporter: Reporter,
    *,
    check_alive: bool,
) -> tuple[Cidr, ...]:
    """The addresses, in order: fixed ones claimed where a router runs, the others allocated."""

    def claim(wish: Wish) -> Cidr:
        match wish:
            case Fixed(cidr):
                preflight.warn_of_overlap(cidr, reporter)
                if check_alive:
                    claim_from_the_dead(api, owner, cidr, settings)
                else:
                    api.claim(owner, cidr, check_alive=False)
                return cidr
            case FromSubnet(subnet):
                reporter.progress("waiting for an address")
                found = api.allocate(owner, subnet, check_alive=check_alive)
                if found is None:
                    raise UsageProblem(
                        _NO_ALLOCATOR,
                        hint="Give a fixed address, or launch with --ipalloc-range.",
                        code=Code.ALLOCATION_OFF,
                    )
                return found

    cidrs: list[Cidr] = []
    for wish in wishes:
        try:
            cidrs.append(_after_others(partial(claim, wish), reporter))
        except RouterUnreachable as problem:
            if isinstance(wish, FromSubnet) or not is_router_down(settings):
                raise explain_unreachable(problem, settings) from problem
            assert isinstance(wish, Fixed)
            cidrs.append(wish.cidr)
    return tuple(cidrs)


def _after_others(ask: Callable[[], Cidr], reporter: Reporter) -> Cidr:
    """A router that does not answer may be about to: then the command that launches it comes first."""
    try:
        return ask()
    except RouterUnreachable:
        with exclusively(reporter) as has_waited:
            pass
        if not has_waited:
            raise
    return ask()


def check_still_owned(
    api: RouterClient, owner: str, wishes: Sequence[Wish], cidrs: Sequence[Cidr], settings: Settings
) -> None:
    """Who had to wait for the host may have waited for a reset: then allocated addresses are no more."""
    for wish, cidr in zip(wishes, cidrs, strict=True):
        if isinstance(wish, FromSubnet):
            try:
                is_owned = cidr in api.find_owned(owner, wish.subnet)
            except RouterUnreachable as problem:
                raise explain_unreachable(problem, settings) from problem
            if not is_owned:
                raise RouterProblem(f"the address {cidr} was lost meanwhile", hint="Try again.")


def release_all(api: RouterClient, owner: str, allocated: Sequence[Cidr], cidrs: Sequence[Cidr]) -> None:
    """Give back what was allocated, and fixed addresses that the router has as the owner's."""
    for cidr in cidrs:
        try:
            api.release(owner, cidr.address)
        except RouterProblem:
            if cidr in allocated:
                raise


def look_up_wishes(
    api: RouterClient, owner: str, wishes: Sequence[Wish], settings: Settings
) -> tuple[tuple[Cidr, ...], tuple[Cidr, ...]]:
    """What the owner has of the subnets wished for; and all addresses, the fixed ones with them, in order."""
    allocated: list[Cidr] = []
    cidrs: list[Cidr] = []
    for wish in wishes:
        match wish:
            case Fixed(cidr):
                cidrs.append(cidr)
            case FromSubnet(subnet):
                try:
                    found = api.find_owned(owner, subnet)
                except RouterUnreachable as problem:
                    raise explain_unreachable(problem, settings) from problem
                allocated += found
                cidrs += found
    # A subnet may lie in another one, and then its addresses are found twice.
    return tuple(dict.fromkeys(allocated)), tuple(dict.fromkeys(cidrs))


@contextmanager
def explained(pid: int, name: str) -> Iterator[None]:
    """Say of which container it is that the kernel refuses something, or that it has died."""
    try:
        yield
    except (ProcessLookupError, HostProblem) as problem:
        if not isinstance(problem, HostProblem) or not Path(f"/proc/{pid}").exists():
            raise HostProblem(
                f"Container {name} died", hint=f"See 'docker logs {name}'.", code=Code.CONTAINER_DIED
            ) from problem
        raise HostProblem(
            f"Failure during network configuration for container {name}:\n{problem.message}",
            hint=problem.hint,
            code=Code.KERNEL,
        ) from problem


def _rewrite_hosts(found: RunningContainer, cidrs: Sequence[Cidr], extra: Sequence[ExtraHost]) -> None:
    if found.hosts_path:
        content = render_hosts(found.hostname, found.domainname, cidrs, extra)
        rewrite_hosts(on_host(found.hosts_path), content)


@contextmanager
def _undone(api: RouterClient, found: RunningContainer, name: str, wishes: Sequence[Wish]) -> Iterator[None]:
    """On failure, an interrupt included: the interface as it was, and addresses that it lacks given back."""
    with explained(found.pid, name):
        is_ours = is_in_our_namespace(found.pid)
        before = None if is_ours else read_guest(found.pid)
    if is_ours:
        raise HostProblem(
            "Container is running in the host network namespace, and therefore cannot be\n"
            "connected to weave. Perhaps the container was started with --net=host.",
            code=Code.CONTAINER_ON_HOST,
        )
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            with suppress(HostProblem):
                restore_guest(found.pid, before)
            for cidr in find_obtained(api, found.id, wishes):
                if before is None or cidr not in before:
                    with suppress(RouterProblem):
                        api.release(found.id, cidr.address)
                    with suppress(RouterProblem):
                        api.remove_names(found.id, cidr.address)
        raise


@contextmanager
def _killed_on_failure(client: Docker, found: RunningContainer, on_failure: OnFailure) -> Iterator[None]:
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            if on_failure is OnFailure.KILL:
                lifecycle.kill_container(client, found.id)
            elif on_failure is OnFailure.KILL_PROCESS:
                with suppress(ProcessLookupError):
                    os.kill(found.pid, signal.SIGKILL)
        raise


def find_obtained(api: RouterClient, owner: str, wishes: Sequence[Wish]) -> list[Cidr]:
    """What the router may have given: asked, because an interrupt may have come before its answer."""
    found: list[Cidr] = []
    for wish in wishes:
        match wish:
            case Fixed(cidr):
                found.append(cidr)
            case FromSubnet(subnet):
                with suppress(RouterProblem):
                    found += api.find_owned(owner, subnet)
    return found
