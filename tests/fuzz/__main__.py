"""`make fuzz`: each parser for so many seconds, then the smallest corpus that reaches as much as all do."""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.fuzz.corpus import PARSERS, keep, kept, parser
from tests.fuzz.smallest import smallest

_LONGEST_INPUT: Final = 1024
_FLAGS: Final = (
    f"-max_len={_LONGEST_INPUT}",
    # Seconds and megabytes for one input; honest ones take a thousandth.
    "-timeout=10",
    "-rss_limit_mb=700",
    "-verbosity=1",
    "-print_final_stats=1",
)


def main(arguments: Sequence[str]) -> int:
    """The number of parsers that did something wrong."""
    command = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    command.add_argument("--seconds", type=int, default=600, help="how long for each parser (default 600)")
    command.add_argument("parsers", nargs="*", metavar="PARSER", help=f"default: all of {', '.join(PARSERS)}")
    found = command.parse_args(arguments)
    logging.disable()
    return sum(not _fuzz(name, found.seconds) for name in found.parsers or PARSERS)


def _fuzz(name: str, seconds: int) -> bool:
    """Run one parser; False when it failed, with the input that shows it added to the corpus."""
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as place:
        grown, failures = Path(place) / "grown", Path(place) / "failures"
        grown.mkdir()
        failures.mkdir()
        _write(grown, [*parser(name).seeds(), *kept(name)])
        _say(f"{name}: {seconds} s, from {len(list(grown.iterdir()))} inputs")
        log = _run(name, f"-max_total_time={seconds}", f"-artifact_prefix={failures}/", str(grown))
        wrong = _read(failures)
        keep(name, [*smallest(parser(name).check, set(_read(grown)) - set(wrong)), *wrong])
        for line in log.splitlines():
            if "stat::" in line or ("cov:" in line and "DONE" in line):
                _say(f"{name}: {line}")
        _say(f"{name}: {len(kept(name))} inputs kept of {len(list(grown.iterdir()))}")
        if wrong:
            _say(log)
        for one in wrong:
            _say(f"{name}: FAILED on {one.hex()}")
        return not wrong


def _run(name: str, *flags: str) -> str:
    """libFuzzer's log."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.target", name, *_FLAGS, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done.stdout


def _write(directory: Path, inputs: Iterable[bytes]) -> None:
    for number, one in enumerate(inputs):
        if len(one) <= _LONGEST_INPUT:
            (directory / f"seed{number}").write_bytes(one)


def _read(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(directory.iterdir())]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
