"""`python -m weave_cli` is the command `weave`."""

from weave_cli.commands.tree import main

if __name__ == "__main__":
    main()
