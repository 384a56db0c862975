"""Reads a file of recorded vectors; see README.md beside it for where they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load(name: str) -> dict[str, Any]:
    """The parsed vectors of `name`.json."""
    parsed: dict[str, Any] = json.loads(Path(__file__).with_name(f"{name}.json").read_text())
    return parsed
