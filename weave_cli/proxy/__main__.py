"""`python -m weave_cli.proxy`."""

import sys

from weave_cli.proxy.program import main

sys.exit(main(sys.argv[1:]))
