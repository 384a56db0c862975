"""How commands answer: the option --output, and the Output of this run that it chooses for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import click

from weave_cli.output.answer import Output

_FORMATS: Final = ("text", "json")
_SPELLINGS: Final = ("-o", "--output")


def get_output(context: click.Context | None = None) -> Output:
    """The Output of this run; see output/answer.py for what to do with it. Outside of a run: a new one."""
    found = context or click.get_current_context(silent=True)
    return Output() if found is None else found.find_root().ensure_object(Output)


def _choose(context: click.Context, _parameter: click.Parameter, wanted: str | None) -> None:
    if wanted is not None:
        get_output(context).is_json = wanted == "json"


output_option = click.option(
    *_SPELLINGS,
    type=click.Choice(_FORMATS),
    is_eager=True,
    expose_value=False,
    callback=_choose,
    help="How to answer: text for people, json for programs.",
)


def asks_for_json(words: Iterable[str]) -> bool:
    """Do these words, which may be wrong, ask for JSON? So that even their refusal is JSON then."""
    before = ""
    for word in words:
        if word in ("-ojson", "--output=json") or (word == "json" and before in _SPELLINGS):
            return True
        before = word
    return False
