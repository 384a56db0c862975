"""Tell a router that has just started what is on the network already: addresses and names of this host.

It remembers addresses that it gave out, also to containers that are gone by now; those given before it, and
all names, it does not know (specification cli, section 9.2). What the plugin attached, the plugin tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from weave_cli.addresses import Cidr
from weave_cli.api.sync import RouterClient
from weave_cli.containers import lookup
from weave_cli.containers.client import Docker
from weave_cli.error_codes import NoticeCode
from weave_cli.errors import RouterProblem
from weave_cli.host.guest import read_guest
from weave_cli.host.netns import read_interfaces
from weave_cli.names import BRIDGE, EXPOSE_OWNER
from weave_cli.operations.registering import register
from weave_cli.operations.reporter import Reporter

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


def feed_router(client: Docker, api: RouterClient, reporter: Reporter) -> None:
    """Claims and names; what the router refuses is worth a notice, for the network works all the same."""
    reporter.progress("telling the router who is on the network")
    _release_the_removed(client, api)
    for interface in read_interfaces():
        if interface.name == BRIDGE:
            _claim(api, EXPOSE_OWNER, EXPOSE_OWNER, interface.addresses, reporter, check_alive=False)
    for found in lookup.list_running(client):
        if not found.has_own_network:
            continue
        cidrs: tuple[Cidr, ...] = ()
        with suppress(ProcessLookupError):
            cidrs = read_guest(found.pid) or ()
        _claim(api, found.id, found.name, cidrs, reporter, check_alive=True)
        register(api, found.id, found.fqdn, cidrs)


def _release_the_removed(client: Docker, api: RouterClient) -> None:
    """Give back the addresses of containers that were removed while nobody looked.

    Those of stopped ones stay: they may be started again, and the plugin waits a while for that.
    """
    # Owners first: a container that has an address by then was made before, so Docker lists it.
    owners = [owner for owner in api.list_owners() if _CONTAINER_ID.fullmatch(owner)]
    if owners:
        known = lookup.list_ids(client)
        for owner in owners:
            if owner not in known:
                api.release_all(owner)


def _claim(
    api: RouterClient,
    owner: str,
    label: str,
    cidrs: Iterable[Cidr],
    reporter: Reporter,
    *,
    check_alive: bool,
) -> None:
    for cidr in cidrs:
        try:
            api.claim(owner, cidr, check_alive=check_alive, no_error_on_unknown=True)
        except RouterProblem as problem:
            reporter.notice(f"WARNING: {label}: {problem.message}", NoticeCode.UNCLAIMED)
