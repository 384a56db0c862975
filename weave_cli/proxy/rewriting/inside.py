"""What attaching does to a container by the pid of its first process. Blocks: call it in a thread.

Each loads what it needs when it is called, so that the proxy listens before.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from weave_cli.error_codes import NoticeCode
from weave_cli.proxy.options import RewritingOptions
from weave_cli.proxy.rewriting.membership import Member
from weave_cli.proxy.rewriting.workload import Workload, read_extra_hosts
from weave_cli.settings import Settings

log = logging.getLogger(__name__)


class _Logging:
    """A reporter that writes a log."""

    def progress(self, text: str) -> None:
        log.debug("%s", text)

    def notice(self, text: str, code: NoticeCode = NoticeCode.NOTE) -> None:
        log.info("%s", text)


def is_let_go(pid: int) -> bool:
    """Does it wait no more? False as well when it has died."""
    from weave_cli.host.guest import was_let_go

    try:
        return was_let_go(pid)
    except ProcessLookupError:
        return False


def list_addresses(pid: int) -> tuple[int, ...]:
    """Its addresses on the network; none when it has died."""
    from weave_cli.host.guest import read_guest

    try:
        return tuple(cidr.address for cidr in read_guest(pid) or ())
    except ProcessLookupError:
        return ()


def let_go(pid: int) -> None:
    """Let it wait no more; one that has died is no error."""
    from weave_cli.host import guest

    with suppress(ProcessLookupError):
        guest.let_go(pid)


def attach_now(
    client: Any, settings: Settings, options: RewritingOptions, found: Workload, member: Member
) -> None:
    """Put it on the network and let it go; raises WeaveError as `operations.attach` does."""
    from weave_cli.operations.attach import AttachOptions, attach
    from weave_cli.operations.host_facts import find_interface_address

    attach(
        client,
        settings,
        found.id,
        member.wishes,
        AttachOptions(
            rewrites_hosts=options.rewrites_hosts and found.has_own_hosts_file,
            extra_hosts=read_extra_hosts(found.extra_hosts, find_interface_address(settings.docker_bridge)),
            wants_multicast_route=options.wants_multicast_route,
            wants_dns=options.wants_dns,
        ),
        _Logging(),
    )
