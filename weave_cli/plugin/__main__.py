"""`python -m weave_cli.plugin`."""

import sys

from weave_cli.plugin.listening import listen_early


def run() -> int:
    early = listen_early(sys.argv[1:])
    from weave_cli.plugin.program import main  # takes its time

    return main(sys.argv[1:], early)


sys.exit(run())
