"""`python -m weave_cli.plugin`."""

import sys

from weave_cli.plugin.program import main

sys.exit(main(sys.argv[1:]))
