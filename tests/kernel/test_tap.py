"""The TAP port of the bridge and its entries, on this machine's kernel."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.namespaces import Host, Underlay, call_in
from weave_cli.errors import HostProblem
from weave_cli.host.bridge import ensure_bridge
from weave_cli.host.network import tear_down
from weave_cli.host.tap import ensure_tap_port, is_tun_present, open_tap
from weave_cli.host.tap_entries import TapEntries

MACS = [bytes.fromhex(f"0a000000000{number}") for number in range(3)]


@pytest.fixture
def host(underlay: Underlay) -> Host:
    made = underlay.host()
    call_in(made.namespace, lambda: ensure_bridge("7a:00:00:00:00:01", 1450))
    return made


@pytest.fixture
def tap(host: Host) -> Iterator[int]:
    descriptor = call_in(host.namespace, open_tap)
    call_in(host.namespace, lambda: ensure_tap_port(1450))
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def entries(host: Host, tap: int) -> Iterator[TapEntries]:
    port = call_in(host.namespace, lambda: ensure_tap_port(1450))
    assert port is not None
    made = call_in(host.namespace, lambda: TapEntries(port.index))
    yield made
    made.close()


def homes(host: Host) -> dict[str, str]:
    """Devices of the bridge's entries for our MAC addresses."""
    listed = json.loads(host.run("bridge -j fdb show br weave"))
    return {one["mac"]: one["ifname"] for one in listed if one["mac"].startswith("0a:00:00:00:00")}


def test_port_is_isolated_learns_nothing_and_is_flooded(host: Host, tap: int) -> None:
    (found,) = json.loads(host.run("ip -j -d link show weave-tap"))
    port = found["linkinfo"]["info_slave_data"]
    assert (found["mtu"], found["master"]) == (1450, "weave")
    assert (port["isolated"], port["learning"], port["flood"]) == (True, False, True)
    assert "UP" in found["flags"]


def test_nothing_is_left_when_it_is_closed(host: Host) -> None:
    descriptor = call_in(host.namespace, open_tap)
    assert "weave-tap" in host.run("ip -br link")
    os.close(descriptor)
    assert "weave-tap" not in host.run("ip -br link")
    assert call_in(host.namespace, lambda: ensure_tap_port(1450)) is None


def test_one_that_closes_soon_is_waited_for(host: Host) -> None:
    first = call_in(host.namespace, open_tap)

    def replace_it() -> int:
        threading.Timer(0.3, os.close, [first]).start()
        return open_tap()

    os.close(call_in(host.namespace, replace_it))


def test_something_else_of_that_name_is_told(host: Host) -> None:
    host.run("ip link add weave-tap type veth peer name other")
    with pytest.raises(HostProblem, match="weave-tap") as caught:
        call_in(host.namespace, open_tap)
    assert caught.value.hint == "Something else has that name: remove it with `ip link del weave-tap`."


def test_machine_without_the_driver_is_told(host: Host, tmp_path: Path) -> None:
    control = str(tmp_path / "tun")
    assert not is_tun_present(control)
    with pytest.raises(HostProblem, match="cannot open") as caught:
        call_in(host.namespace, lambda: open_tap(control=control))
    assert caught.value.hint is not None and "modprobe tun" in caught.value.hint


def test_reset_removes_it_even_while_it_is_open(host: Host, tap: int) -> None:
    assert "weave-tap" in call_in(host.namespace, tear_down)
    assert "weave-tap" not in host.run("ip -br link")


def test_entries_come_and_go_and_may_do_so_twice(host: Host, entries: TapEntries) -> None:
    for _ in range(2):
        entries.put(MACS)
        assert homes(host) == {mac.hex(":"): "weave-tap" for mac in MACS}
    for _ in range(2):
        entries.drop(MACS[:2])
        assert homes(host) == {MACS[2].hex(":"): "weave-tap"}


def test_hundreds_at_once_are_no_trouble_even_when_all_are_refused(host: Host, entries: TapEntries) -> None:
    many = [number.to_bytes(6, "big") for number in range(0x0A0000000000, 0x0A0000000000 + 1000)]
    entries.put(many)
    assert len(homes(host)) == 256  # those that begin with 0a:00:00:00:00
    for _ in range(2):
        entries.drop(many)
    assert homes(host) == {}


def test_a_container_that_moves_here_takes_its_entry_over(host: Host, entries: TapEntries) -> None:
    container = host.container()
    entries.put(MACS)
    frame = b"\xff" * 6 + MACS[0] + b"\x88\xb5" + bytes(50)
    with call_in(container, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as sender:
        sender.bind(("eth0", 0))
        sender.send(frame)
        deadline = time.monotonic() + 10
        while homes(host)[MACS[0].hex(":")] != "vethwl1":
            assert time.monotonic() < deadline
            time.sleep(0.01)
    entries.drop(MACS)
    assert homes(host) == {MACS[0].hex(":"): "vethwl1"}, "what another port has is not ours to drop"
    entries.put(MACS[:1])
    assert homes(host) == {MACS[0].hex(":"): "weave-tap"}, "it moved away again"


def test_refusals_are_told(host: Host, entries: TapEntries) -> None:
    host.run("ip link del weave")
    with pytest.raises(HostProblem, match="cannot change the bridge's entries"):
        entries.put(MACS)


def test_frames_from_the_tap_teach_the_bridge_nothing(host: Host, tap: int, entries: TapEntries) -> None:
    no_offload = bytes(10)
    os.write(tap, no_offload + b"\xff" * 6 + MACS[0] + b"\x88\xb5" + bytes(50))
    assert homes(host) == {}
