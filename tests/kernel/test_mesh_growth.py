"""Many routers that know only the first of them."""

from __future__ import annotations

from collections.abc import Callable

from tests.kernel.programs import eventually
from tests.kernel.routers import Router

_COUNT = 8


def test_all_get_to_know_each_other(router: Callable[..., Router]) -> None:
    first, *others = [router() for _ in range(_COUNT)]
    first.start()
    for one in others:
        one.start(first.host.address)
    all_links = f"{_COUNT} (with {_COUNT * (_COUNT - 1)} established connections)"
    everybody = (first, *others)
    eventually(
        lambda: all(all_links in one.ask("GET", "/status")[1] for one in everybody),
        lambda: "\n".join(f"{one.ask('GET', '/status/peers')[1]}\n{one.log()}" for one in everybody),
        timeout_s=60,
    )
