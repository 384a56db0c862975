"""The host itself on the network: addresses on the bridge, with names, and their way out.

The router does it, and keeps it up over reboots. Where none runs, fixed addresses are put on the bridge from
here, and the router that starts later takes them over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from weave_cli.addresses import Cidr, FromSubnet, Wish
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.errors import HostProblem, RouterProblem
from weave_cli.host.exposure import ensure_exposed, read_exposed, read_exposures, remove_exposed
from weave_cli.host.iptables import ensure_rules
from weave_cli.host.rules import Exposure
from weave_cli.interrupts import FINISHED, unbroken, undoing
from weave_cli.names import EXPOSE_OWNER
from weave_cli.operations.asking import explain_unreachable, is_router_down
from weave_cli.operations.attach import (
    check_still_owned,
    claim_wishes,
    find_obtained,
    look_up_wishes,
    release_all,
)
from weave_cli.operations.bridge import ensure_bridge, firewall_facts
from weave_cli.operations.lock import alone_with, exclusively
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings


def expose(
    settings: Settings,
    wishes: Sequence[Wish],
    reporter: Reporter,
    *,
    fqdn: str | None,
    masquerades: bool,
) -> tuple[Cidr, ...]:
    """Give the host the addresses wished for; answers them in order. Those that it has stay as they are."""
    api = RouterClient(settings.http_address)
    with alone_with(EXPOSE_OWNER, reporter), _undone(api, settings, wishes):
        cidrs = claim_wishes(api, EXPOSE_OWNER, wishes, settings, reporter, check_alive=False)
        with exclusively(reporter) as has_waited, unbroken():
            if has_waited:
                check_still_owned(api, EXPOSE_OWNER, wishes, cidrs, settings)
            for wish, cidr in zip(wishes, cidrs, strict=True):
                try:
                    api.expose(cidr, masquerades=masquerades)
                except RouterUnreachable as problem:
                    if isinstance(wish, FromSubnet):
                        raise explain_unreachable(problem, settings) from problem
                    _check_down(problem, settings)
                    _expose_here(settings, Exposure(cidr, masquerades))
                if fqdn is not None:
                    with suppress(RouterProblem):
                        api.add_name(EXPOSE_OWNER, cidr.address, fqdn, check_alive=False)
    return cidrs


def hide(settings: Settings, wishes: Sequence[Wish], reporter: Reporter) -> tuple[Cidr, ...]:
    """Take addresses from the host; answers those asked for, whether it had them or not."""
    api = RouterClient(settings.http_address)
    with alone_with(EXPOSE_OWNER, reporter):
        return _hide(api, settings, wishes, reporter)


def _hide(
    api: RouterClient, settings: Settings, wishes: Sequence[Wish], reporter: Reporter
) -> tuple[Cidr, ...]:
    allocated, cidrs = look_up_wishes(api, EXPOSE_OWNER, wishes, settings)
    with exclusively(reporter), unbroken(FINISHED):
        for cidr in cidrs:
            try:
                api.hide(cidr)
            except RouterUnreachable as problem:
                _check_down(problem, settings)
                _hide_here(settings, cidr)
            with suppress(RouterProblem):
                api.remove_names(EXPOSE_OWNER, cidr.address)
        release_all(api, EXPOSE_OWNER, allocated, cidrs)
    return cidrs


def _check_down(problem: RouterUnreachable, settings: Settings) -> None:
    if not is_router_down(settings):
        raise explain_unreachable(problem, settings) from problem


def _expose_here(settings: Settings, exposure: Exposure) -> None:
    ensure_bridge(settings)
    others = (one for one in read_exposures() if one.cidr != exposure.cidr)
    ensure_exposed([exposure.cidr])
    ensure_rules(firewall_facts(settings, (*others, exposure)))


def _hide_here(settings: Settings, cidr: Cidr) -> None:
    others = tuple(one for one in read_exposures() if one.cidr != cidr)
    if remove_exposed(cidr):
        ensure_rules(firewall_facts(settings, others))


@contextmanager
def _undone(api: RouterClient, settings: Settings, wishes: Sequence[Wish]) -> Iterator[None]:
    """On failure, an interrupt included: the bridge as it was, and addresses that it lacks given back."""
    before = read_exposed() or ()
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            for cidr in find_obtained(api, EXPOSE_OWNER, wishes):
                if cidr not in before:
                    with suppress(RouterProblem):
                        api.hide(cidr)
                    with suppress(HostProblem):
                        _hide_here(settings, cidr)
                    with suppress(RouterProblem):
                        api.release(EXPOSE_OWNER, cidr.address)
        raise
