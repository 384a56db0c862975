"""Whole routers as processes in namespaces, asked through their HTTP API."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.programs import eventually
from tests.kernel.routers import Router


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_addresses_survive_a_kill_and_a_good_end(router: Callable[..., Router]) -> None:
    one = router()
    one.start()
    given = [one.ask("POST", f"/ip/c{number}") for number in range(3)]
    one.kill()
    one.start()
    assert one.ask("GET", "/ip/c2") == given[2]
    assert one.ask("POST", "/ip/new") not in given
    assert one.stop() == 0
    one.start()
    assert one.ask("GET", "/ip/c0") == given[0]


def test_full_disk_gives_no_address_and_ends_nothing(router: Callable[..., Router], small_disk: Path) -> None:
    one, two = router(small_disk / "one"), router()
    one.start()
    two.start(one.host.address)
    assert one.ask("POST", "/ip/before")[0] == 200
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    refused = next(
        answer for number in range(2000) if (answer := one.ask("POST", f"/ip/during{number}"))[0] != 200
    )
    assert refused[0] == 400
    assert "weave.db" in refused[1]
    filler.unlink()
    eventually(lambda: one.ask("POST", "/ip/after")[0] == 200, one.log)
    eventually(lambda: " established " in one.ask("GET", "/status/connections")[1], one.log)


def test_peers_are_dialled_again_after_a_restart_as_connect_and_forget_left_them(
    router: Callable[..., Router],
) -> None:
    one, two, three = router(), router(), router()
    two.start()
    three.start()
    one.start(two.host.address)
    assert one.ask("POST", f"/connect?peer={three.host.address}")[0] == 200
    assert one.ask("POST", f"/forget?peer={two.host.address}")[0] == 200
    one.kill()
    one.start(two.host.address)
    assert one.ask("GET", "/status/targets") == (200, f"{three.host.address}\n")


def test_another_name_starts_without_the_addresses_of_the_old_one(router: Callable[..., Router]) -> None:
    one = router()
    one.start()
    one.ask("POST", "/ip/c1")
    one.kill()
    one.start("--name=7a:00:00:00:00:77")
    assert one.ask("GET", "/ip/c1") == (200, "")


def test_exposures_come_back_after_a_kill_and_after_a_reboot(router: Callable[..., Router]) -> None:
    one = router()
    one.start()
    assert one.ask("POST", "/expose/10.3.0.1/16") == (204, "")
    assert one.ask("POST", "/expose/10.4.0.1/16?skipNAT=true") == (204, "")
    wanted = seen(one)
    assert wanted[0] == ["10.3.0.1/16", "10.4.0.1/16"]
    assert [rule.count("10.3.0.0/16") for rule in wanted[1] if "MASQUERADE" in rule] == [2, 2]
    one.kill()
    one.host.run("ip link del weave")
    one.host.run("iptables -w -t nat -F WEAVE")
    one.start()
    assert seen(one) == wanted, "nothing is on a host that has booted but what was written down"
    one.kill()
    one.host.run("ip addr del 10.4.0.1/16 dev weave")
    one.host.run("ip addr add 10.5.0.1/16 dev weave")
    one.start()
    assert seen(one)[0] == ["10.3.0.1/16", "10.5.0.1/16"], "what commands did meanwhile counts"
    assert one.ask("DELETE", "/expose/10.3.0.1/16") == (204, "")
    assert seen(one)[0] == ["10.5.0.1/16"]
    one.kill()
    one.host.run("ip link del weave")
    one.start()
    assert seen(one)[0] == ["10.5.0.1/16"]


def seen(router: Router) -> tuple[list[str], list[str]]:
    """The addresses on the bridge, and our rules about them."""
    shown = router.host.run("ip -o -4 addr show dev weave").splitlines()
    rules = (router.host.run(f"iptables -w -t {table} -S") for table in ("nat", "filter"))
    ours = [rule for text in rules for rule in text.splitlines() if "10.3.0.0" in rule or "10.4.0.0" in rule]
    return [line.split()[3] for line in shown], ours
