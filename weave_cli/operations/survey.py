"""What there is: status and ps, gathered from router, plugin, Docker and namespaces. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from weave_cli import __version__
from weave_cli.addresses import Cidr
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import RouterProblem, UsageProblem, WeaveError
from weave_cli.leaks import Leaks
from weave_cli.names import (
    BRIDGE,
    EXPOSE_OWNER,
    GUEST_LINK,
    PLUGIN_CONTAINER,
    PROXY_CONTAINER,
    SWARM_DRIVER,
    image_name,
)
from weave_cli.operations.asking import ask_router
from weave_cli.operations.plugin_sockets import is_plugin_listening, is_swarm_plugin_listening, read_leaks
from weave_cli.operations.proxy_beacon import find_proxy
from weave_cli.operations.reporter import Reporter
from weave_cli.operations.services import find_service
from weave_cli.reports import Report
from weave_cli.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A status page, and what spoils it."""

    text: str
    has_plugin: bool = False
    proxy: tuple[str, ...] = ()
    """Where the proxy listens, if there is one."""
    has_swarm_plugin: bool = False
    is_ready: bool = True
    """False: the router serves, but not all of it is up yet."""
    leaks: Leaks | None = None
    """None: there is no plugin that tells."""
    problem: WeaveError | None = None
    """Why the router does not answer, if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A line of `weave ps`: an interface of ours, with its owner as the user knows it."""

    owner: str
    mac: str
    addresses: tuple[Cidr, ...]


def read_status(settings: Settings) -> Status:
    """The router's page, and whether plugins and proxy serve: told also while the router is down."""
    is_served = has_plugin(settings)
    found = Status(
        text="",
        has_plugin=is_served,
        has_swarm_plugin=is_swarm_plugin_listening(),
        leaks=read_leaks() if is_served else None,
        proxy=find_proxy() or (),
    )
    try:
        reply = ask_router(lambda api: api.get_status(), settings)
    except WeaveError as problem:
        return replace(found, problem=problem)
    return replace(found, text=reply.text, is_ready=reply.is_success)


def read_report(settings: Settings) -> Report:
    """All that the router tells of itself; raises RouterProblem when it does not answer."""
    import json  # only answers for programs need it

    found: Report = json.loads(ask_router(lambda api: api.get_report(), settings))
    return found


def describe_no_target(peer: str) -> str:
    """Nobody was told to connect there."""
    return f"{peer} is no target; 'weave status targets' lists them."


def has_plugin(settings: Settings) -> bool:
    """Does the plugin serve, and is it wanted?"""
    return settings.wants_plugin and is_plugin_listening()


def read_status_page(topics: Sequence[str], settings: Settings) -> Status:
    """One page of the status: targets, connections, peers, dns, ipam.

    Raises UsageProblem for a page that the router does not know.
    """
    reply = ask_router(lambda api: api.get_status(topics), settings)
    page = "/".join(topics)
    if reply.status == 404:
        raise unknown_page(page)
    if reply.status not in (200, 503):
        raise RouterProblem(
            f"the router has no status page {page}: {reply.text.strip() or reply.status}",
            hint="Is that part switched off? See 'weave status'.",
            code=Code.UNKNOWN_PAGE,
        )
    return Status(text=reply.text, is_ready=reply.status == 200)


def unknown_page(page: str) -> UsageProblem:
    """There is no such page of the status."""
    return UsageProblem(
        f"unknown status page: {page}",
        hint="There are: targets, connections, peers, dns, ipam, topology.",
        code=Code.UNKNOWN_PAGE,
    )


def list_attachments(wanted: Sequence[str], settings: Settings) -> Iterator[Attachment]:
    """Exactly those of `wanted`; without any, the host's own line and those of all running containers.

    Containers that are unknown, stopped, in the host's network or without interface of ours give none
    (specification cli, section 10).
    """
    from weave_cli.containers import quick
    from weave_cli.containers.facts import SHORT_ID_LENGTH

    if tuple(wanted) == (EXPOSE_OWNER,):
        yield from _list_interfaces(None, EXPOSE_OWNER)
        return
    if not wanted:
        yield from _list_interfaces(None, EXPOSE_OWNER)
        for running in quick.list_running(settings):
            if not running.is_on_host:
                yield from _list_interfaces(running.pid, running.id[:SHORT_ID_LENGTH])
    for name in wanted:
        if name == EXPOSE_OWNER:
            yield from _list_interfaces(None, name)
            continue
        found = quick.find_running(settings, name)
        if found is not None and not found.is_on_host:
            yield from _list_interfaces(found.pid, name)


def list_versions(settings: Settings, reporter: Reporter) -> Iterator[tuple[str, str]]:
    """Component and version: of its running container, else of the image that a launch would take."""
    from weave_cli.containers import quick

    names = {"router": settings.router_container, "plugin": PLUGIN_CONTAINER, "proxy": PROXY_CONTAINER}
    for component, name in names.items():
        found = find_service(name) or quick.find_our_container(settings, name)
        if found is not None and found.version is not None and found.is_running:
            yield component, found.version
        elif quick.has_image(settings, image_name()):
            yield component, __version__
        else:
            reporter.notice(
                f"There is no image for the {component} yet: 'weave setup' makes it.", NoticeCode.IMAGE_ABSENT
            )
    managed = quick.find_managed(settings, SWARM_DRIVER)
    if managed is not None and managed.version is not None:
        yield "swarm-plugin", managed.version


def _list_interfaces(pid: int | None, owner: str) -> Iterator[Attachment]:
    from weave_cli.host.netns import read_interfaces

    with suppress(ProcessLookupError):
        for interface in read_interfaces(pid):
            is_ours = interface.name == BRIDGE if pid is None else interface.name.startswith(GUEST_LINK)
            if is_ours:
                yield Attachment(owner=owner, mac=interface.mac, addresses=interface.addresses)
