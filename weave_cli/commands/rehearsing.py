"""The option --dry-run of commands that destroy something, and its answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from weave_cli.commands.answers import get_output
from weave_cli.error_codes import NoticeCode

if TYPE_CHECKING:
    from weave_cli.operations.rehearsal import Deed

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Do nothing; list what would be done, one thing a line."
)


def answer_rehearsal(deeds: Iterable[Deed]) -> None:
    """The list on stdout, where it may be empty; that nothing was done is said beside it."""
    found = list(deeds)
    data = {
        "deeds": [
            {"act": deed.act, "kind": deed.kind, "name": deed.name, "of": deed.of or None} for deed in found
        ]
    }
    output = get_output()
    output.answer("Rehearsal", data, text="".join(f"{deed}\n" for deed in found))
    output.tell("Nothing was done: this was a dry run.", NoticeCode.DRY_RUN)
