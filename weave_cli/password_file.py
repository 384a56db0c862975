"""The file that holds the password of the network: read it, and refuse one that others can read too.

The password goes nowhere else: not into a command line, an environment, a log or a report.
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO, Final

from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem

#: Octets; longer ones are some other file.
_MAX_SIZE: Final = 64 * 1024


def read_password_file(path: str) -> bytes:
    """The password's octets, without the newline that editors put behind it.

    Raises UsageProblem naming the file when it cannot be read, is empty, or is open to group or others.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise UsageProblem(
                    f"password file {path} is open to others (mode {stat.S_IMODE(mode):04o})",
                    hint=f"Make it its owner's alone: chmod 600 {path}",
                    code=Code.BAD_PASSWORD,
                )
            return read_password(file, f"password file {path}")
    except OSError as problem:
        raise UsageProblem(
            f"cannot read password file {path}: {problem.strerror or problem}",
            hint="Name a file that holds the password of the network and nothing else.",
            code=Code.BAD_PASSWORD,
        ) from problem


def read_password(file: BinaryIO, what: str) -> bytes:
    """The password in an open file that messages call `what`; raises UsageProblem when there is none."""
    octets = file.read(_MAX_SIZE + 1)
    if len(octets) > _MAX_SIZE:
        raise UsageProblem(f"{what} is longer than {_MAX_SIZE} octets", code=Code.BAD_PASSWORD)
    password = octets.removesuffix(b"\n").removesuffix(b"\r")
    if not password:
        raise UsageProblem(
            f"{what} is empty",
            hint="Without a password, launch without --password-file.",
            code=Code.BAD_PASSWORD,
        )
    return password
