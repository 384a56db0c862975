"""Which tests of the lab run on more than one engine."""

from __future__ import annotations

from typing import Final

import pytest

from tests.lab.engines import VERSIONS

every_engine: Final = pytest.mark.parametrize("engine", VERSIONS, indirect=True)
