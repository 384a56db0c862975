"""The process in which libFuzzer drives one parser: `python -m tests.fuzz.target PARSER [its flags]`."""

from __future__ import annotations

import logging
import sys

import atheris

from tests.fuzz.corpus import parser

with atheris.instrument_imports(include=["weave_cli"]):
    _PARSER = parser(sys.argv[1])


def main() -> None:
    """Never comes back: libFuzzer ends the process."""
    logging.disable()
    atheris.Setup([sys.argv[0], *sys.argv[2:]], _PARSER.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
