"""Which Go router is judged by, and what its version means for those who start it and ask it.

Facts from the specification: cli (what the launch script did for which version), http-api, ipam 7.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

#: Names the Go router.
WEAVER: Final = "WEAVER"

#: It would ask its makers for news of versions.
ENVIRONMENT: Final[Mapping[str, str]] = {"CHECKPOINT_DISABLE": "1"}

_WORDS: Final = re.compile(r"weave (?:router )?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, order=True)
class GoVersion:
    """A release of the Go router, 1.4.0 or later."""

    major: int
    minor: int
    patch: int

    @property
    def makes_its_bridge(self) -> bool:
        """Before, the launch script made it, and gave the router an interface."""
        return self >= GoVersion(2, 0, 0)

    @property
    def keeps_addresses(self) -> bool:
        """Before, a router that was started again knew none, and the launch script claimed them anew.

        Its API knew no prefix lengths when addresses were claimed, and said nothing of what it took over.
        """
        return self >= GoVersion(1, 5, 0)

    @property
    def halves_ranges(self) -> bool:
        """Before, those who agreed divided the range into equal parts; ours halve it again and again."""
        return self >= GoVersion(1, 6, 0)

    @property
    def lists_addresses(self) -> bool:
        """Whether its API tells all addresses that it gave."""
        return self >= GoVersion(2, 0, 0)


@cache
def go_version() -> GoVersion:
    """What the program that WEAVER names says of itself."""
    said = subprocess.run(
        [os.environ[WEAVER], "--version"],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    ).stdout
    found = _WORDS.match(said)
    assert found, f"{os.environ[WEAVER]} is no Weave Net router: it says {said!r}"
    return GoVersion(*map(int, found.groups()))
