"""The host room without a kernel: plans of forwarding entries, names of machines, missing programs."""

from __future__ import annotations

import errno
import hashlib
import random
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from weave_cli.errors import HostProblem
from weave_cli.host.binaries import run_program
from weave_cli.host.fdb import FdbChange, PresentEntry, plan_changes
from weave_cli.host.identity import choose_peer_name, derive_peer_name
from weave_cli.host.netlink import explained
from weave_cli.names import format_peer_name
from weave_cli.router.overlay.forwarding import FLOOD_MAC, RELAY_MAC, FdbEntry, Forwarding

FLOOD_2 = FdbEntry(FLOOD_MAC, "10.0.0.2")
FLOOD_3 = FdbEntry(FLOOD_MAC, "10.0.0.3")
BEAT_2 = FdbEntry("0a:00:00:00:00:02", "10.0.0.2")


def ours(*entries: FdbEntry) -> list[PresentEntry]:
    return [PresentEntry(entry, is_ours=True) for entry in entries]


def wish(*entries: FdbEntry, carried: tuple[str, ...] = (), heard: tuple[str, ...] = ()) -> Forwarding:
    return Forwarding(entries=frozenset(entries), carried=frozenset(carried), heard=frozenset(heard))


def test_missing_entries_are_made() -> None:
    relay = FdbEntry(RELAY_MAC, "10.0.0.3")
    assert plan_changes([], wish(FLOOD_2, FLOOD_3, BEAT_2, relay)) == [
        FdbChange("append", FLOOD_2),
        FdbChange("append", FLOOD_3),
        FdbChange("append", relay),
        FdbChange("replace", BEAT_2),
    ]


def test_all_well_needs_no_change() -> None:
    learned = PresentEntry(FdbEntry("02:00:00:00:00:07", "10.0.0.2"), is_ours=False)
    wanted = wish(FLOOD_2, BEAT_2, carried=("10.0.0.2",))
    assert plan_changes([*ours(FLOOD_2, BEAT_2), learned], wanted) == []


def test_what_was_learned_goes_with_its_host() -> None:
    learned = FdbEntry("02:00:00:00:00:07", "10.0.0.2")
    present = [*ours(FLOOD_2, FLOOD_3), PresentEntry(learned, is_ours=False)]
    assert plan_changes(present, wish(FLOOD_3, carried=("10.0.0.3",))) == [
        FdbChange("del", FLOOD_2),
        FdbChange("del", learned),
    ]


def test_of_a_host_that_frames_reach_by_sleeve_only_its_heartbeats_may_be_known() -> None:
    container = PresentEntry(FdbEntry("02:00:00:00:00:07", "10.0.0.2"), is_ours=False)
    heartbeat = PresentEntry(FdbEntry("02:00:00:00:00:08", "10.9.0.2"), is_ours=False)
    wanted = wish(BEAT_2, heard=("02:00:00:00:00:08",))
    assert plan_changes([*ours(BEAT_2), container, heartbeat], wanted) == [FdbChange("del", container.entry)]


def test_a_neighbour_at_another_address_is_moved_in_one_step() -> None:
    moved = FdbEntry(BEAT_2.mac, "10.0.0.9")
    assert plan_changes(ours(BEAT_2), wish(moved)) == [FdbChange("replace", moved)]


def write(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_a_name_comes_from_machine_id_and_uuid_with_their_newlines(tmp_path: Path) -> None:
    write(tmp_path, "etc/machine-id", "abc\n")
    write(tmp_path, "sys/class/dmi/id/product_uuid", "def\n")
    digest = hashlib.sha256(b"9oBJ0Jmip-abc\ndef\n").hexdigest()
    name = format_peer_name(choose_peer_name(random.Random(1), root=tmp_path))
    assert name[3:].replace(":", "") == digest[2:12]
    assert int(name[:2], 16) & 3 == 2, "locally administered, unicast"


def test_the_second_places_are_looked_at(tmp_path: Path) -> None:
    write(tmp_path, "var/lib/dbus/machine-id", "abc\n")
    write(tmp_path, "sys/hypervisor/uuid", "def\n")
    assert choose_peer_name(random.Random(1), root=tmp_path) == derive_peer_name(b"abc\ndef\n")


def test_a_host_without_identity_gets_a_random_name(tmp_path: Path) -> None:
    names = {choose_peer_name(random.Random(seed), root=tmp_path) for seed in range(20)}
    assert len(names) == 20


def test_empty_files_are_a_problem_and_not_a_name(tmp_path: Path) -> None:
    write(tmp_path, "etc/machine-id", "\n")
    with pytest.raises(HostProblem, match=r"etc/machine-id is empty") as caught:
        choose_peer_name(random.Random(1), root=tmp_path)
    assert caught.value.hint is not None and "--name" in caught.value.hint


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(HostProblem, match="program nosuch-restore not found") as caught:
        run_program(["nosuch-restore", "-w"])
    assert caught.value.hint == "Install the package nosuch on this host."


def test_a_kernel_without_vxlan_is_named_with_advice() -> None:
    with pytest.raises(
        HostProblem, match="cannot create the VXLAN device: Operation not supported"
    ) as caught:
        with explained("create the VXLAN device"):
            raise NetlinkError(errno.EOPNOTSUPP, "Unknown device type")
    assert caught.value.hint is not None and "kernel" in caught.value.hint


def test_a_program_is_given_its_input() -> None:
    done = run_program(["cat"], stdin="lines\n")
    assert (done.status, done.stdout, done.stderr) == (0, "lines\n", "")
