"""What shells offer behind our commands: which word is meant where. operations.suggesting knows the words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from weave_cli.addresses import split_wishes
from weave_cli.settings import read_settings

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from weave_cli.operations.suggesting import Suggestion

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

_NETWORK_OPTIONS = ("--net", "--network")
_DEFAULT_SUBNET = "net:default"


def one_of(source: str) -> Complete:
    """Words that operations.suggesting.suggest_SOURCE finds; each once on a command line."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        given = context.params.get(parameter.name or "") or ()
        return _offer(_find(source), begun, but=given if isinstance(given, tuple) else ())

    return complete


def addresses_then_container(source: str) -> Complete:
    """After ADDRESS..., exactly one container."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from weave_cli.operations.suggesting import Suggestion

        _, rest = split_wishes(context.params.get(parameter.name or "") or ())
        if rest:
            return []
        found = list(_find(source))
        if begun:  # else it would stand in the way of a container's name that is the only one
            found.append(Suggestion(_DEFAULT_SUBNET, "a free address"))
        return _offer(found, begun)

    return complete


def ips_then_container(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """After IP..., at most one container."""
    from weave_cli.addresses import split_addresses

    _, rest = split_addresses(context.params.get(parameter.name or "") or ())
    return [] if rest else _offer(_find("running"), begun)


def docker_run_words(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Behind `weave run`: networks where one is wanted."""
    given = context.params.get(parameter.name or "") or ()
    return _offer(_find("networks"), begun) if given and given[-1] in _NETWORK_OPTIONS else []


def words(*choices: str) -> Complete:
    """One of these, as the first word only."""

    def complete(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from weave_cli.operations.suggesting import Suggestion

        is_given = bool(context.params.get(parameter.name or ""))
        return [] if is_given else _offer(map(Suggestion, choices), begun)

    return complete


def command_names(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """The commands, with their summaries."""
    from weave_cli.commands.tree import COMMANDS
    from weave_cli.operations.suggesting import Suggestion

    return _offer((Suggestion(name, place[2]) for name, place in COMMANDS.items()), begun)


def _find(source: str) -> Iterable[Suggestion]:
    from weave_cli.operations import suggesting

    find: Callable[..., Iterable[Suggestion]] = getattr(suggesting, f"suggest_{source}")
    return find(read_settings())


def _offer(found: Iterable[Suggestion], begun: str, *, but: Iterable[str] = ()) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    refused = set(but)
    fitting = {one.word: one for one in found if one.word.startswith(begun) and one.word not in refused}
    return [CompletionItem(one.word, help=one.meaning or None) for one in fitting.values()]
