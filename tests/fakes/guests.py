"""Containers' interfaces in memory, in place of the kernel's, as far as operations attach and detach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest

from weave_cli.addresses import Cidr
from weave_cli.host.interface_dump import Interface


@dataclass
class FakeGuests:
    """`attached` maps the pid of a container to the addresses of its interface; absent: it has none."""

    attached: dict[int, tuple[Cidr, ...]] = field(default_factory=dict)
    in_our_namespace: set[int] = field(default_factory=set)
    dead: set[int] = field(default_factory=set)
    on_attach: Callable[[], None] | None = None
    """What happens in the middle of attaching."""

    def read(self, pid: int) -> tuple[Cidr, ...] | None:
        self._check_alive(pid)
        return self.attached.get(pid)

    def attach(self, pid: int, cidrs: Sequence[Cidr], *, wants_multicast_route: bool) -> None:
        self._check_alive(pid)
        self.attached[pid] = tuple(dict.fromkeys((*self.attached.get(pid, ()), *cidrs)))
        if self.on_attach:
            self.on_attach()

    def detach(self, pid: int, cidrs: Iterable[Cidr]) -> None:
        self._check_alive(pid)
        gone = set(cidrs)
        left = tuple(cidr for cidr in self.attached.pop(pid, ()) if cidr not in gone)
        if left:
            self.attached[pid] = left

    def restore(self, pid: int, before: tuple[Cidr, ...] | None) -> None:
        self.attached.pop(pid, None)
        if before is not None:
            self.attached[pid] = before

    def shares_ours(self, pid: int) -> bool:
        self._check_alive(pid)
        return pid in self.in_our_namespace

    def interfaces(self, pid: int | None = None) -> Sequence[Interface]:
        return []

    def _check_alive(self, pid: int) -> None:
        if pid in self.dead:
            raise ProcessLookupError(pid)


def install(monkeypatch: pytest.MonkeyPatch, room: object) -> FakeGuests:
    """Put it in the place of the kernel's door, as far as that room has it."""
    guests = FakeGuests()
    for name, function in (
        ("read_guest", guests.read),
        ("attach_guest", guests.attach),
        ("detach_guest", guests.detach),
        ("restore_guest", guests.restore),
        ("is_in_our_namespace", guests.shares_ours),
        ("read_interfaces", guests.interfaces),
        ("ensure_bridge", lambda _: None),
    ):
        if hasattr(room, name):
            monkeypatch.setattr(room, name, function)
    return guests
