"""The sleeve process runs on every host beside the router: it loads what it needs and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.surface

#: Libraries that cost megabytes.
_HEAVY = (
    "_hashlib",
    "aiohttp",
    "argparse",
    "asyncio",
    "docker",
    "email",
    "json",
    "nacl",
    "pyroute2",
    "sqlite3",
    "ssl",
)


def test_sleeve_process_loads_nothing_heavy() -> None:
    code = (
        "import sys, weave_cli.router.sleeve.program\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
