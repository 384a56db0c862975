"""Start containers and put them on the network: run, start, restart. What cannot be attached is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from weave_cli.addresses import Fixed, Wish
from weave_cli.containers import lifecycle, lookup
from weave_cli.containers.client import Docker
from weave_cli.containers.command import new_mark, removed_on_interrupt, run_detached
from weave_cli.containers.hostsfile import ExtraHost, parse_extra_host
from weave_cli.host.guest import read_guest
from weave_cli.host.netns import is_in_our_namespace
from weave_cli.interrupts import FINISHED, Interrupted, unbroken, undoing
from weave_cli.operations.attach import AttachOptions, OnFailure, attach
from weave_cli.operations.naming import make_dns_arguments
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings


def run(
    client: Docker,
    settings: Settings,
    wishes: Sequence[Wish],
    words: Sequence[str],
    options: AttachOptions,
    reporter: Reporter,
    *,
    wants_resolver: bool,
) -> str:
    """`docker run -d WORDS`, then attach; answers the container's id.

    wants_resolver: give it weaveDNS as its resolver, and a host name after its name.
    """
    extra_hosts = tuple(find_extra_hosts(words))
    resolver = make_dns_arguments(words, settings, reporter).split() if wants_resolver else []
    # The variable keeps a proxy's hands off.
    arguments = ["--env=WEAVE_CIDR=none", *resolver, *words]
    options = replace(options, extra_hosts=extra_hosts, on_failure=OnFailure.KILL)
    mark = new_mark()
    with removed_on_interrupt(client, mark):
        container_id = run_detached(arguments, mark=mark, options=settings.client_arguments)
        attach(client, settings, container_id, wishes, options, reporter)
    return container_id


def run_elsewhere(
    client: Docker,
    settings: Settings,
    words: Sequence[str],
    attaching: Sequence[str],
    ask: Callable[[bool, Sequence[str]], str],
    *,
    wants_resolver: bool,
) -> str:
    """The same where Docker is elsewhere: only the user's docker command runs here.

    attaching: addresses and options for `weave attach`. ask: runs a weave command there, given whether that
    needs the host, and answers what it printed; raises WeaveError when it failed.
    """
    extra_hosts = tuple(find_extra_hosts(words))
    resolver = ask(False, ["dns-args", *words]).split() if wants_resolver else []
    arguments, mark = ["--env=WEAVE_CIDR=none", *resolver, *words], new_mark()
    with removed_on_interrupt(client, mark):
        container_id = run_detached(arguments, mark=mark, options=settings.client_arguments)
        try:
            added = [f"--add-host={one.name}:{one.address}" for one in extra_hosts]
            ask(True, ["attach", *attaching, *added, "--or-die", container_id])
        except BaseException as problem:
            with undoing(problem):
                lifecycle.kill_container(client, container_id)  # in case it could not even be asked
            raise
    return container_id


def start(client: Docker, settings: Settings, name: str, wishes: Sequence[Wish], reporter: Reporter) -> None:
    """`docker start`, then attach."""
    container_id = lookup.get_container_id(client, name)
    was_running = lookup.find_running(client, container_id) is not None
    with _killed_on_failure(client, container_id, was_running=was_running):
        with unbroken():
            lifecycle.start_container(client, container_id, name=name)
        attach(client, settings, name, wishes, AttachOptions(), reporter)


def restart(client: Docker, settings: Settings, name: str, reporter: Reporter) -> None:
    """`docker restart`, and the addresses again that it has."""
    found = lookup.get_running(client, name)
    has_own_network = not is_in_our_namespace(found.pid)
    cidrs = (read_guest(found.pid) if has_own_network else None) or ()
    with unbroken(FINISHED):
        lifecycle.restart_container(client, name)
        if cidrs:
            wishes = tuple(map(Fixed, cidrs))
            attach(client, settings, name, wishes, AttachOptions(on_failure=OnFailure.KILL), reporter)


@contextmanager
def _killed_on_failure(client: Docker, container_id: str, *, was_running: bool) -> Iterator[None]:
    """What cannot be attached is killed, as the script did; interrupted, only if it did not run before."""
    try:
        yield
    except BaseException as problem:
        with undoing(problem):
            if not (was_running and isinstance(problem, Interrupted)):
                lifecycle.kill_container(client, container_id)
        raise


def find_extra_hosts(words: Sequence[str]) -> Iterator[ExtraHost]:
    """What `--add-host` among arguments for `docker run` says."""
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option == "--add-host":
            yield parse_extra_host(value if equals else next(rest, ""))
