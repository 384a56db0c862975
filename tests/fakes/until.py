"""Wait in asynchronous tests for something that will surely come; the test's time limit ends it if not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Returns once the condition gives something true."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
