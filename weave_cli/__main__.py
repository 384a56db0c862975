"""The program `weave`, also as `python -m weave_cli`."""

from __future__ import annotations

import sys
from typing import Final

_INTERRUPTED: Final = 130


def main() -> None:
    """Run a command; an interrupt while it is still loaded is no defect, and nothing has begun."""
    try:
        from weave_cli.commands.tree import main as run
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(_INTERRUPTED)
    try:
        run()
    finally:
        # All is said and done; what is interrupted now would only look as if it were not.
        from weave_cli.interrupts import deafen

        deafen()


if __name__ == "__main__":
    main()
