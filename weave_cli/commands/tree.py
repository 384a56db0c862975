"""The root of the command line: which commands there are, loaded late, and what becomes of errors.

A command's room is imported when it is run, so that `weave dns-args` does not pay for `weave launch`. The
table below therefore repeats the first sentence of each command's help; a test holds both together.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

import click

from weave_cli.commands.answers import asks_for_json, get_output, output_option
from weave_cli.commands.usage import LOCAL, WORDS, WeaveCommand, help_option
from weave_cli.error_codes import Code, ExitStatus
from weave_cli.errors import UsageProblem, WeaveError
from weave_cli.interrupts import Interrupted
from weave_cli.output.answer import Output
from weave_cli.output.text import DEFECT_HINT, describe_defect, tell, tell_defect, tell_problem
from weave_cli.settings import is_completing, wants_trace

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Name -> (room, function, first sentence of its help), in the order of `weave help`.
COMMANDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "setup": ("setup", "setup", "Make the image that router and plugin run in."),
    "launch": ("launch", "launch", "Start the router, the network plugin and the Docker API proxy."),
    "launch-router": ("launch", "launch_router", "Start the router only, and print its container's id."),
    "launch-plugin": ("launch", "launch_plugin", "Start the plugin only, and print its container's id."),
    "launch-proxy": ("proxy", "launch_proxy", "Start the Docker API proxy, and print its container's id."),
    "stop": ("stop", "stop", "Stop the plugin, the router and the proxy; containers keep their network."),
    "stop-router": ("stop", "stop_router", "Stop the router only."),
    "stop-plugin": ("stop", "stop_plugin", "Stop the plugin only."),
    "stop-proxy": (
        "proxy",
        "stop_proxy",
        "Stop the Docker API proxy only; its containers keep their network.",
    ),
    "connect": ("peers", "connect", "Add other hosts to connect to."),
    "forget": ("peers", "forget", "Drop hosts to connect to."),
    "rmpeer": ("peers", "rmpeer", "Take over the addresses of hosts that are gone for good."),
    "prime": ("peers", "prime", "Wait until the hosts agree on who gives out which addresses."),
    "run": ("run", "run", "Run a container in the background, on the network, and print its id."),
    "start": ("run", "start", "Start a stopped container, put it on the network, and print its name."),
    "restart": ("run", "restart", "Restart a container that keeps its addresses, and print its name."),
    "attach": ("attach", "attach", "Put a running container on the network, and print its addresses."),
    "detach": ("attach", "detach", "Take addresses from a running container, and print them."),
    "expose": ("expose", "expose", "Give this host addresses on the network, and print them."),
    "hide": ("expose", "hide", "Take addresses on the network from this host, and print them."),
    "network": ("network", "network", "Make, list or remove networks that are the same on all hosts."),
    "dns-args": ("dns", "dns_args", "Print the options that make 'docker run' use weaveDNS."),
    "dns-add": ("dns", "dns_add", "Register names with weaveDNS, for a container or for addresses."),
    "dns-remove": ("dns", "dns_remove", "Take names of a container, or of addresses, out of weaveDNS."),
    "dns-lookup": ("dns", "dns_lookup", "Print the addresses that weaveDNS knows for a name."),
    "status": ("status", "status", "Show the state of router, plugin and proxy, or one page of it."),
    "report": ("status", "report", "Print the router's full state as JSON, or through a template."),
    "ps": ("status", "ps", "List the weave interfaces of containers."),
    "doctor": (
        "doctor",
        "doctor",
        "Look for what is wrong on this host and between the hosts, and say what mends it.",
    ),
    "connectivity": (
        "connectivity",
        "connectivity",
        "Try whether packets get through between containers, and say where they get lost.",
    ),
    "reset": ("stop", "reset", "Leave the mesh and remove everything that weave made."),
    "install-service": (
        "services",
        "install_service",
        "Let systemd run router and plugin, so that they are up before Docker.",
    ),
    "env": ("proxy", "env", "Print the shell command that points docker at the proxy."),
    "config": ("proxy", "config", "Print the option that points docker at the proxy."),
    "version": ("setup", "version", "Print the versions of script, router, plugin and proxy."),
    "help": ("setup", "show_help", "Show this text, or the help of a command."),
}

#: Words that no help lists: name -> (room, function). For insiders, or no more and ready to say so.
PLUMBING: Final[Mapping[str, tuple[str, str]]] = {
    "setup-cni": ("plumbing", "setup_cni"),
    "create-bridge": ("plumbing", "create_bridge"),
    "attach-bridge": ("plumbing", "attach_bridge"),
    "attach-router": ("plumbing", "attach_router"),
    "bridge-type": ("plumbing", "bridge_type"),
    "docker-bridge-ip": ("plumbing", "docker_bridge_ip"),
    "proxy-env": ("proxy", "proxy_env"),
    "proxy-config": ("proxy", "proxy_config"),
    "launch-dns": ("plumbing", "launch_dns"),
    "stop-dns": ("plumbing", "stop_dns"),
}


class CommandTree(click.Group):
    """The root group; its commands are imported when asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[WORDS] = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as problem:
            problem.ctx = problem.ctx or ctx
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name) or PLUMBING.get(cmd_name)
        if place is None:
            return None
        room, function, *_ = place
        command: WeaveCommand = getattr(import_module(f"weave_cli.commands.{room}"), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from weave_cli.commands.suggestions import command_names  # click's own would import every room

        return command_names(ctx, self.params[0], incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # While a shell completes, nobody asked for help.
        if args and args[0] not in {*COMMANDS, *PLUMBING} and not ctx.resilient_parsing:
            _refuse_unknown(ctx, args[0], is_json=asks_for_json(args))
        return super().resolve_command(ctx, args)


def describe_unknown(name: str) -> UsageProblem:
    """There is no such command; with the one that was perhaps meant."""
    from weave_cli.commands.guesses import guess  # who types well does not pay for it

    meant = guess(name, COMMANDS)
    hint = f"Did you mean '{meant}'?" if meant else "'weave help' lists the commands."
    return UsageProblem(f"unknown command: {name}", hint=hint, code=Code.UNKNOWN_COMMAND)


def _refuse_unknown(context: click.Context, name: str, *, is_json: bool) -> NoReturn:
    """For people, the whole usage as the script had it, and behind it what they will still see."""
    problem = describe_unknown(name)
    if is_json or get_output(context).is_json:
        raise problem
    tell(problem.message)
    tell(context.get_help())
    tell("")
    tell_problem(problem)
    context.exit(ExitStatus.FAILURE)


def _refuse_nothing(context: click.Context) -> NoReturn:
    """No command at all."""
    if get_output(context).is_json:
        raise UsageProblem("which command?", hint="'weave help' lists the commands.", code=Code.USAGE)
    tell(context.get_help())
    context.exit(ExitStatus.FAILURE)


def _show_version(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not context.resilient_parsing:
        command = weave.get_command(context, "version")
        assert command is not None
        with command.make_context("version", [], parent=context) as made:
            command.invoke(made)
        context.exit(ExitStatus.SUCCESS)


def _stay_here(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
    context.meta[LOCAL] = is_asked


@click.group(cls=CommandTree, name="weave", invoke_without_command=True, add_help_option=False)
@help_option
@output_option
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    callback=_show_version,
    help="The same as 'weave version'.",
)
@click.option(
    "--local",
    is_flag=True,
    hidden=True,
    expose_value=False,
    callback=_stay_here,
    help="Run here, wherever Docker is.",
)
@click.pass_context
def weave(context: click.Context) -> None:
    """One network for the containers of many Docker hosts.

    'weave COMMAND --help' tells more about a command.
    """
    if context.invoked_subcommand is None:
        _refuse_nothing(context)


def main(arguments: Sequence[str] | None = None) -> None:
    """The program: run, and leave with the exit status (specification cli, section 3)."""
    if is_completing():
        from weave_cli.commands.completion import complete

        complete()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """One command; errors become words on stderr, or a document, and an exit status, never a trace."""
    _open_closed_streams()
    output = Output()
    try:
        status = _run(arguments, output)
        output.finish()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read our output has had enough; stop quietly, also at the interpreter's own last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.FAILURE
    except OSError as problem:
        # What is still in the buffer would fail once more at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        tell(f"cannot write the answer: {problem.strerror or problem}")
        return ExitStatus.FAILURE


def _open_closed_streams() -> None:
    """Python has no stream where a shell's `>&-` closed one; whoever did that wants to hear nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))


def _run(arguments: Sequence[str], output: Output) -> int:
    try:
        status = weave.main(list(arguments), prog_name="weave", standalone_mode=False, obj=output)
        return status if isinstance(status, int) else ExitStatus.SUCCESS
    except click.UsageError as problem:
        # What does not parse may be refused before --output is looked at.
        output.is_json = output.is_json or asks_for_json(arguments)
        _tell_usage(problem, output)
    except WeaveError as problem:
        output.is_json = output.is_json or asks_for_json(arguments)
        output.fail(problem)
        return problem.exit_status
    except (click.Abort, KeyboardInterrupt):
        output.fail(WeaveError("interrupted", code=Code.INTERRUPTED))
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        raise
    except Interrupted as end:
        output.fail(WeaveError(f"interrupted: {end.outcome}", code=Code.INTERRUPTED))
        return end.status
    except UnicodeEncodeError as problem:
        # A word of the command line that is no text, which neither Docker nor the router could be told.
        word = ascii(problem.object[problem.start : problem.end])
        output.fail(UsageProblem(f"no text in this locale: {word}", hint="Names are letters in UTF-8."))
    except Exception as defect:  # the last one: a person never sees a trace unasked
        if output.is_json:
            output.fail(WeaveError(describe_defect(defect), hint=DEFECT_HINT, code=Code.DEFECT))
        if not output.is_json or wants_trace():
            tell_defect(defect, wants_trace=wants_trace())
    return ExitStatus.FAILURE


def _tell_usage(problem: click.UsageError, output: Output) -> None:
    usage = None if problem.ctx is None else problem.ctx.get_usage()
    help_hint = None if problem.ctx is None else f"Try '{problem.ctx.command_path} --help'."
    hint = "\n".join(line for line in (usage, help_hint) if line)
    output.fail(UsageProblem(problem.format_message(), hint=hint or None))
