"""Routers that divide, hand over and take over the address range, as processes with disks."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.kernel.programs import eventually
from tests.kernel.routers import Router

Make = Callable[..., Router]


def name_of(router: Router) -> str:
    return f"7a:00:00:00:00:{router.host.number:02x}"


def owned(asked: Router) -> dict[str, int]:
    """How many addresses each peer owns, as one router says."""
    page = asked.ask("GET", "/status/ipam")[1]
    return {line[:17]: int(line.split(" IPs ")[0].split()[-1]) for line in page.splitlines()}


def lose_disk(router: Router) -> None:
    for path in router.state.glob("weave.db*"):
        path.unlink()


def test_seeds_divide_the_range_and_others_get_of_it(router: Make) -> None:
    one, two, late = router(), router(), router()
    seeds = f"--ipalloc-init=seed={name_of(two)},7a::{one.host.number:x}"
    one.start(seeds)
    two.start(seeds, one.host.address)
    late.start("--ipalloc-init=observer", one.host.address)
    assert owned(one) == {name_of(one): 1 << 19, name_of(two): 1 << 19}
    assert one.ask("POST", "/ip/c1") == (200, "10.32.0.1/12")
    assert two.ask("POST", "/ip/c2") == (200, "10.40.0.0/12")
    status, given = late.ask("POST", "/ip/c3/10.35.1.0/24")
    assert (status, given[:8]) == (200, "10.35.1.")
    eventually(lambda: owned(two).get(name_of(late)), lambda: str(owned(two)))


def test_two_of_three_agree_and_the_observer_waits_for_them(router: Make) -> None:
    one, two, observer = router(), router(), router()
    observer.start("--ipalloc-init=observer")
    one.start("--ipalloc-init=consensus=3", observer.host.address)
    assert one.ask("POST", "/ip/c1", timeout_s=1) == (0, "")
    assert "awaiting consensus (quorum: 2, known: 1)" in one.ask("GET", "/status")[1]
    assert observer.ask("POST", "/ip/c3", timeout_s=1) == (0, "")
    assert "Status: priming" in observer.ask("GET", "/status")[1]
    two.start("--ipalloc-init=consensus=3", observer.host.address)
    assert one.ask("POST", "/ip/c1")[0] == 200
    assert observer.ask("POST", "/ip/c3")[0] == 200
    eventually(lambda: set(owned(one)) >= {name_of(one), name_of(two)}, one.log)


def test_ranges_of_the_dead_are_taken_over_and_those_of_the_living_are_not(router: Make) -> None:
    one, two = router(), router()
    seeds = f"--ipalloc-init=seed={name_of(one)},{name_of(two)}"
    one.start(seeds)
    two.start(seeds, one.host.address)
    eventually(lambda: "host" in one.ask("GET", "/status/connections")[1], one.log)
    status, reason = one.ask("DELETE", f"/peer/host{two.host.number}")
    assert status == 400 and reason.startswith(f"{name_of(two)} (host{two.host.number}) is in the mesh")
    assert len(owned(one)) == 2
    two.kill()
    eventually(lambda: "unreachable" in one.ask("GET", "/status/ipam")[1], one.log)
    assert one.ask("DELETE", f"/peer/host{two.host.number}") == (
        200,
        f"{1 << 19} IPs taken over from host{two.host.number}\n",
    )
    assert one.ask("POST", "/ip/c/10.47.0.0/24") == (200, "10.47.0.1/24")
    # Who comes back from the dead has nothing any more, but asks and gets.
    two.start(one.host.address)
    eventually(lambda: owned(two) == {name_of(one): 1 << 20}, lambda: str(owned(two)))
    assert two.ask("POST", "/ip/late")[0] == 200


@pytest.mark.parametrize("disk", ["lost", "old"])
def test_what_a_container_has_stays_its_own_when_the_disk_is_lost_or_old(router: Make, disk: str) -> None:
    one, two = router(), router()
    first_ring = "--ipalloc-init=consensus=2"
    one.start(first_ring)
    two.start(first_ring, one.host.address)
    assert two.ask("POST", "/ip/c1")[0] == 200
    two.kill()
    copy = shutil.copytree(two.state, two.state.with_suffix(".old"))
    two.start(first_ring, one.host.address)
    # Since the copy: an address more, and space given away.
    mine = two.ask("POST", "/ip/c2")[1]
    two.ask("DELETE", "/ip/c1")
    eventually(lambda: "established" in two.ask("GET", "/status/connections")[1], two.log)
    for number in range(4):
        subnet = f"10.{32 + number * 4}.0.0/24"
        assert one.ask("POST", f"/ip/theirs{number}/{subnet}")[0] == 200
    theirs = one.ask("GET", "/ip")[1]
    two.kill()
    lose_disk(two)
    if disk == "old":
        for path in copy.glob("weave.db*"):
            shutil.copy(path, two.state)
    two.start(first_ring, one.host.address)
    if disk == "old":
        two.ask("DELETE", "/ip/c1")
    assert two.ask("PUT", f"/ip/c2/{mine}")[0] == 204
    eventually(lambda: owned(one) == owned(two), lambda: f"{owned(one)} {owned(two)}")
    eventually(lambda: " established " in two.ask("GET", "/status/connections")[1], two.log)
    for number in range(20):
        given = two.ask("POST", f"/ip/new{number}")[1]
        assert given != mine and f'"{given}"' not in theirs
    assert one.is_running and "which I think I own" not in one.log() + two.log()
