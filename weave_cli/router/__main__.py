"""`python -m weave_cli.router`: the router in the foreground."""

from weave_cli.router.program import main

raise SystemExit(main())
