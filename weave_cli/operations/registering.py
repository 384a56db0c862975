"""Names of containers and of outside addresses in weaveDNS, through the router."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from weave_cli.addresses import Address, Cidr
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.error_codes import Code, ExitStatus, NoticeCode
from weave_cli.errors import HostProblem, RouterProblem
from weave_cli.names import EXTERN_OWNER
from weave_cli.operations.asking import RouterStopped, explain_unreachable
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

if TYPE_CHECKING:
    from weave_cli.containers.facts import RunningContainer


#: Of commands that name containers, when the router's own container does not run.
_STOPPED_STATUS: Final = ExitStatus.NOT_RUNNING


def register(api: RouterClient, container_id: str, fqdn: str | None, cidrs: Iterable[Cidr]) -> None:
    """Give the addresses a container's name, if it has one; without router or weaveDNS nothing happens."""
    if fqdn is not None:
        for cidr in cidrs:
            with suppress(RouterProblem):
                api.add_name(container_id, cidr.address, fqdn, check_alive=True)


def withdraw(api: RouterClient, container_id: str, fqdn: str | None, cidrs: Iterable[Cidr]) -> None:
    """Take the name from the addresses again; what is not there is no error."""
    if fqdn is not None:
        for cidr in cidrs:
            with suppress(RouterProblem):
                api.remove_names(container_id, cidr.address, fqdn=fqdn)


def add_names(
    settings: Settings, addresses: Sequence[Address], name: str | None, fqdn: str | None, reporter: Reporter
) -> None:
    """`dns-add`: name the addresses, or those of the container; its own name when none is given."""
    api, domain = _get_router(settings, reporter)
    found = None if name is None else _find_container(settings, name)
    fqdn = found.fqdn if fqdn is None and found is not None else fqdn
    if fqdn is None:
        reporter.notice(
            f"The host name of {name} has no domain: it gets no name. Give one with -h.",
            NoticeCode.NOTHING_TO_DO,
        )
        return
    if domain is not None and not f".{fqdn.rstrip('.')}".lower().endswith(f".{domain.strip('.')}".lower()):
        reporter.notice(
            f"{fqdn} is not in the domain {domain}, so weaveDNS does not take it.", NoticeCode.NOTHING_TO_DO
        )
    owner = EXTERN_OWNER if found is None else found.id
    named = addresses or _list_addresses(found)
    if not named:
        reporter.notice(f"{name} is not on the network: nothing gets the name.", NoticeCode.NOTHING_TO_DO)
    for address in named:
        with suppress(RouterProblem):
            api.add_name(owner, address, fqdn, check_alive=found is not None)


def remove_names(
    settings: Settings, addresses: Sequence[Address], name: str | None, fqdn: str | None, reporter: Reporter
) -> None:
    """`dns-remove`: take that name, or all that they have of this owner, from the addresses."""
    api, _ = _get_router(settings, reporter)
    found = None if name is None else _find_container(settings, name)
    owner = EXTERN_OWNER if found is None else found.id
    for address in addresses or _list_addresses(found):
        with suppress(RouterProblem):
            api.remove_names(owner, address, fqdn=fqdn)


def _get_router(settings: Settings, reporter: Reporter) -> tuple[RouterClient, str | None]:
    """And weaveDNS's domain, None when that is off.

    Raises RouterProblem when there is no router; a stopped one has an exit status of its own.
    """
    api = RouterClient(settings.http_address)
    try:
        domain = api.find_domain()
        if domain is None:
            reporter.notice(
                "WARNING: weaveDNS is switched off: nobody will see that name.", NoticeCode.DNS_OFF
            )
    except RouterUnreachable as problem:
        explained = explain_unreachable(problem, settings)
        if isinstance(explained, RouterStopped):
            explained.exit_status = _STOPPED_STATUS
        raise explained from problem
    return api, domain


def _find_container(settings: Settings, name: str) -> RunningContainer:
    from weave_cli.containers import quick

    return quick.get_running(settings, name)


def _list_addresses(found: RunningContainer | None) -> list[int]:
    """The addresses on the network of a container, however it was attached."""
    from weave_cli.host.netns import read_guest_addresses

    if found is None or found.is_on_host:
        return []
    try:
        return [cidr.address for cidr in read_guest_addresses(found.pid)]
    except ProcessLookupError as problem:
        raise HostProblem(
            f"Container {found.name} died", hint=f"See 'docker logs {found.name}'.", code=Code.CONTAINER_DIED
        ) from problem
