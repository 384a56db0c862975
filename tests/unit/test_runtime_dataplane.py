"""The data path where the kernel refuses: no namespace is needed for that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.fakes.until import until
from weave_cli.host.network import HostNetwork
from weave_cli.names import PeerName
from weave_cli.router.runtime import kernel_carriage
from weave_cli.router.runtime.dataplane import DataPlane
from weave_cli.router.runtime.plane_settings import DataPlaneSettings
from weave_cli.router.wire.intro import Features

US = PeerName(1)


class Plane(DataPlane):
    """One whose devices are not there, on connection 7 to a peer that offers these overlays."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(DataPlaneSettings(name=US, mesh_port=6783, **settings), rng=random.Random(1))
        self.failed: list[tuple[int, str]] = []
        self.report_to(
            on_established=lambda conn_id: None,
            on_failed=lambda conn_id, reason: self.failed.append((conn_id, reason)),
            send_control=lambda conn_id, tag, payload: None,
        )
        self.upkeep._network = HostNetwork(
            mtu=1450,
            underlay_mtu=1500,
            bridge_index=1,
            vxlan_index=2,
            tap_index=3,
            refused_knobs=(),
            rules_changed=False,
        )

    def meet(self, overlays: Sequence[str] | None, **changes: Any) -> None:
        features = Features(
            name=PeerName(2),
            nickname="host2",
            uid=2,
            conn_id=2,
            overlays=None if overlays is None else tuple(overlays),
        )
        facts = {
            "connection_uid": 7,
            "remote_ip": "127.0.0.1",
            "outbound": False,
            "address": "127.0.0.1:1",
        }
        self.start_connection(7, features, **{**facts, **changes})


def on_plane(scenario: Callable[[Plane], Any]) -> None:
    async def run() -> None:
        plane = Plane()
        await scenario(plane)
        await plane.close()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def refusing_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(wanted: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(kernel_carriage, "reconcile_fdb", refuse)


def test_connection_that_has_only_vxlan_is_ended_without_its_entry() -> None:
    async def scenario(plane: Plane) -> None:
        plane.meet(("vxlan",))
        await until(lambda: plane.failed)
        assert plane.failed == [
            (
                7,
                "no working forwarders to 00:00:00:00:00:02(host2): vxlan: [Errno 24] Too many open files",
            )
        ]

    on_plane(scenario)


def test_connection_that_may_yet_use_sleeve_waits_for_it() -> None:
    async def scenario(plane: Plane) -> None:
        plane.meet(("vxlan", "sleeve"))
        # At once, not when it gives up after a minute.
        assert plane.attributes(7) == {
            "sleeve": "waiting for UDP heartbeat from host2 at 127.0.0.1, any port"
        }
        await until(lambda: "vxlan" in plane.attributes(7))
        assert plane.attributes(7)["vxlan"] == "[Errno 24] Too many open files"
        assert plane.failed == []

    on_plane(scenario)


@pytest.mark.parametrize(
    ("overlays", "changes", "reason"),
    [
        (("fastdp", "sleeve"), {}, "the peer does not offer it"),
        (None, {}, "the peer does not offer it"),
        (("vxlan", "sleeve"), {"session_key": bytes(32)}, "it does not encrypt"),
        (("vxlan", "sleeve"), {"outbound": True, "address": "127.0.0.1:7000"}, "uses UDP port 7001"),
    ],
)
def test_what_is_not_tried_is_told(
    overlays: tuple[str, ...] | None, changes: dict[str, Any], reason: str
) -> None:
    async def scenario(plane: Plane) -> None:
        plane.meet(overlays, **changes)
        assert reason in str(plane.attributes(7)["vxlan"])
        assert plane.attributes(9) == {}

    on_plane(scenario)


def test_what_the_operator_switched_off_is_neither_offered_nor_tried() -> None:
    async def scenario() -> None:
        plane = Plane(wants_vxlan=False)
        assert plane.overlays == ("sleeve",)
        plane.meet(("vxlan", "sleeve"))
        assert "WEAVE_NO_FASTDP" in str(plane.attributes(7)["vxlan"])

    asyncio.run(scenario())


def test_nothing_in_common_ends_the_connection() -> None:
    async def scenario(plane: Plane) -> None:
        plane.meet(("awsvpc",))
        await until(lambda: plane.failed)
        assert plane.failed == [
            (7, "no overlays in common with peer (it offers awsvpc, we offer vxlan sleeve)")
        ]

    on_plane(scenario)
