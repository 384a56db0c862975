"""Which password the network shall have: the most explicit word counts. Keeps it out of every message."""

from __future__ import annotations

import sys
from typing import Final

from weave_cli.containers.specs import RouterOptions
from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem
from weave_cli.password_file import read_password, read_password_file
from weave_cli.settings import Settings

_STANDARD_INPUT: Final = "-"


def read_password_elsewhere(path: str) -> bytes:
    """The octets of a password file for a command that runs on another machine, as it will read them."""
    if path == _STANDARD_INPUT:
        return read_password(sys.stdin.buffer, "standard input") + b"\n"
    return read_password_file(path) + b"\n"


def choose_password(options: RouterOptions, settings: Settings) -> bytes | None:
    """The password's octets, None for a network without; raises UsageProblem, always before anything is done.

    A file counts before WEAVE_PASSWORD, and so does --password, with which an empty text means none.
    """
    if options.password_file is not None:
        if options.password is not None:
            raise UsageProblem(
                "--password and --password-file contradict each other",
                hint="Give one of them.",
                code=Code.BAD_PASSWORD,
            )
        if options.password_file == _STANDARD_INPUT:
            return read_password(sys.stdin.buffer, "standard input")
        return read_password_file(options.password_file)
    text = settings.password if options.password is None else options.password
    # Words that are no UTF-8 come back as the octets that they were.
    return text.encode("utf-8", "surrogateescape") if text else None
