"""Veth pairs that are only written down (plugin.network.EndpointLinks)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from weave_cli.errors import HostProblem
from weave_cli.plugin.protocol import guest_second_name, host_link


class FakeLinks:
    """`made`: MAC addresses of the pairs that are there; `problem`: what the next one fails with."""

    MAC = "02:00:00:00:00:01"

    def __init__(self) -> None:
        self.made: dict[str, str] = {}
        self.deleted: list[str] = []
        self.devices: set[str] = set()
        """Others that are there."""
        self.problem: str | None = None
        self.hangs = False

    async def create(self, endpoint_id: str, mac: str | None) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        if self.problem:
            raise HostProblem(self.problem)
        self.made[endpoint_id] = mac or self.MAC
        return self.made[endpoint_id]

    async def find_guest(self, endpoint_id: str) -> str:
        return guest_second_name(endpoint_id)

    def is_present(self, host_name: str) -> bool:
        """Is there a pair whose end on the bridge has that name?"""
        return host_name in map(host_link, self.made)

    async def list_unknown(self, endpoint_ids: Collection[str]) -> frozenset[str]:
        return self.without({*map(host_link, self.made), *self.devices}, endpoint_ids)

    def without(self, devices: Collection[str], endpoint_ids: Collection[str]) -> frozenset[str]:
        return frozenset(devices).difference(map(host_link, endpoint_ids))

    async def delete(self, device: str) -> None:
        self.devices.discard(device)

    def delete_later(self, endpoint_id: str) -> None:
        self.made.pop(endpoint_id, None)
        self.deleted.append(endpoint_id)
