"""connect, forget, rmpeer, prime: declarations."""

from __future__ import annotations

from functools import partial

import click

from weave_cli.commands.answers import get_output
from weave_cli.commands.place import Needs
from weave_cli.commands.rehearsing import answer_rehearsal, dry_run_option
from weave_cli.commands.suggestions import one_of
from weave_cli.commands.usage import command
from weave_cli.error_codes import ExitStatus, NoticeCode
from weave_cli.errors import RouterProblem, UsageProblem
from weave_cli.output.answer import describe_problem
from weave_cli.settings import read_settings


@command("connect", needs=Needs.ROUTER)
@click.option("--replace", is_flag=True, help="Forget all other hosts; without PEER, forget all.")
@click.argument("peers", nargs=-1, metavar="[PEER]...", shell_complete=one_of("new_targets"))
def connect(*, replace: bool, peers: tuple[str, ...]) -> None:
    """Add other hosts to connect to.

    PEER is an address or a name, with :PORT if that is not 6783. The router goes on trying until it is told
    to forget the peer.
    """
    from weave_cli.operations.asking import ask_router

    if not peers and not replace:
        raise UsageProblem("connect needs at least one peer", hint="Usage: weave connect [--replace] PEER...")
    ask_router(lambda api: api.connect(peers, replace=replace), read_settings())


@command("forget", needs=Needs.ROUTER)
@click.argument("peers", nargs=-1, required=True, metavar="PEER...", shell_complete=one_of("targets"))
@dry_run_option
def forget(*, peers: tuple[str, ...], dry_run: bool) -> None:
    """Drop hosts to connect to.

    PEER is spelt as it was given to launch or connect. Connections that exist are not cut.
    """
    if dry_run:
        from weave_cli.operations.rehearsal import rehearse_forget

        answer_rehearsal(rehearse_forget(read_settings(), peers, _tell_unknown))
        return
    from weave_cli.operations.asking import ask_router
    from weave_cli.operations.survey import describe_no_target, read_report

    settings = read_settings()
    targets = read_report(settings)["Router"]["Targets"] or ()
    for peer in peers:
        if peer not in targets:
            _tell_unknown(describe_no_target(peer))
    ask_router(lambda api: api.forget(peers), settings)


@command("rmpeer", needs=Needs.ROUTER)
@click.argument("peers", nargs=-1, required=True, metavar="PEER...", shell_complete=one_of("owners"))
@dry_run_option
def rmpeer(*, peers: tuple[str, ...], dry_run: bool) -> int:
    """Take over the addresses of hosts that are gone for good.

    PEER is the nickname or the name of a host as 'weave status ipam' shows it. Do this on one host only, and
    only when the other will never come back: what its containers use would be given out a second time.
    """
    if dry_run:
        from weave_cli.operations.rehearsal import rehearse_takeover

        answer_rehearsal(rehearse_takeover(read_settings(), peers, _tell_unknown))
        return ExitStatus.SUCCESS
    from weave_cli.api.sync import RouterClient
    from weave_cli.operations.asking import ask_router

    settings, output = read_settings(), get_output()
    takeovers = []
    for peer in peers:
        try:
            sentence = ask_router(partial(RouterClient.take_over, peer=peer), settings)
        except RouterProblem as problem:
            output.fail(problem)
            takeovers.append({"peer": peer, "message": None, "error": describe_problem(problem)})
        else:
            output.show(sentence)
            takeovers.append({"peer": peer, "message": sentence, "error": None})
    output.answer("Takeovers", {"takeovers": takeovers})
    return ExitStatus.FAILURE if any(one["error"] for one in takeovers) else ExitStatus.SUCCESS


@command("prime", needs=Needs.ROUTER)
def prime() -> None:
    """Wait until the hosts agree on who gives out which addresses.

    Addresses can be had from then on. Prints nothing.
    """
    from weave_cli.operations.asking import ask_router

    ask_router(lambda api: api.wait_for_ring(), read_settings())


def _tell_unknown(text: str) -> None:
    get_output().tell(text, NoticeCode.NOTHING_TO_DO)
