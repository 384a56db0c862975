"""`python -m weave_cli.router.sleeve`: the sleeve process; only the router starts it."""

import sys

from weave_cli.router.sleeve.program import main

raise SystemExit(main(sys.argv[1:]))
