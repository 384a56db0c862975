"""run, start, restart: declarations."""

from __future__ import annotations

from collections.abc import Sequence

import click

from weave_cli.addresses import split_wishes
from weave_cli.commands.answers import get_output
from weave_cli.commands.params import addresses_and_stopped, multicast_option, split_container
from weave_cli.commands.place import Needs, is_elsewhere
from weave_cli.commands.session import beside_others
from weave_cli.commands.suggestions import docker_run_words, one_of
from weave_cli.commands.usage import LOCAL, command
from weave_cli.error_codes import NoticeCode
from weave_cli.settings import Settings, read_settings


@command(
    "run",
    needs=Needs.NOTHING,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("--without-dns", is_flag=True, help="Do not make weaveDNS the container's resolver.")
@click.option("--with-dns", is_flag=True, hidden=True, help="Deprecated: that is so anyway.")
@click.option("--no-rewrite-hosts", is_flag=True, help="Leave the container's /etc/hosts to Docker.")
@multicast_option
@click.argument(
    "words",
    nargs=-1,
    metavar="[ADDRESS]... DOCKER-RUN-ARGUMENT...",
    type=click.UNPROCESSED,
    shell_complete=docker_run_words,
)
def run(
    *,
    words: tuple[str, ...],
    without_dns: bool,
    with_dns: bool,
    no_rewrite_hosts: bool,
    no_multicast_route: bool,
) -> None:
    """Run a container in the background, on the network, and print its id.

    Our options come first, then addresses as for 'weave attach', then what 'docker run -d' is to be given.
    A container that cannot be attached is killed.
    """
    if with_dns:
        get_output().tell("Warning: --with-dns is deprecated; it is on by default", NoticeCode.DEPRECATED)
    wishes, docker_words = split_wishes(words)
    context = click.get_current_context()
    if not docker_words:
        raise click.UsageError("which image?", context)
    settings = read_settings()
    if not context.meta.get(LOCAL) and is_elsewhere(Needs.HOST, settings):
        addresses = words[: len(words) - len(docker_words)]
        # As the options of 'weave attach'; docker itself, with all that its words may name, runs here.
        attaching = [
            *addresses,
            *([] if no_rewrite_hosts else ["--rewrite-hosts"]),
            *(["--no-multicast-route"] if no_multicast_route else []),
        ]
        _answer(_run_elsewhere(settings, docker_words, attaching, wants_resolver=not without_dns))
        return
    with beside_others() as (docker, settings, progress):
        from weave_cli.operations.attach import AttachOptions
        from weave_cli.operations.run import run as act

        options = AttachOptions(
            rewrites_hosts=not no_rewrite_hosts, wants_multicast_route=not no_multicast_route
        )
        container_id = act(
            docker, settings, wishes, docker_words, options, progress, wants_resolver=not without_dns
        )
    _answer(container_id)


def _run_elsewhere(
    settings: Settings, docker_words: Sequence[str], attaching: Sequence[str], *, wants_resolver: bool
) -> str:
    from weave_cli.commands.forwarding import ask_elsewhere
    from weave_cli.containers.client import open_docker
    from weave_cli.operations.run import run_elsewhere

    return run_elsewhere(
        open_docker(settings),
        settings,
        docker_words,
        attaching,
        lambda needs_host, words: ask_elsewhere(settings, needs_host, words, tell=get_output().tell),
        wants_resolver=wants_resolver,
    )


@command("start")
@addresses_and_stopped
def start(*, words: tuple[str, ...]) -> None:
    """Start a stopped container, put it on the network, and print its name.

    ADDRESS is as for 'weave attach'. A container that cannot be attached is killed.
    """
    wishes, container = split_container(words)
    with beside_others() as (docker, settings, progress):
        from weave_cli.operations.run import start as act

        act(docker, settings, container, wishes, progress)
    _answer(container)


@command("restart")
@click.argument("container", shell_complete=one_of("running"))
def restart(*, container: str) -> None:
    """Restart a container that keeps its addresses, and print its name."""
    with beside_others() as (docker, settings, progress):
        from weave_cli.operations.run import restart as act

        act(docker, settings, container, progress)
    _answer(container)


def _answer(container: str) -> None:
    """Its id, or what the caller calls it."""
    get_output().answer("Container", {"container": container}, text=f"{container}\n")
