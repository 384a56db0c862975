"""The data path where the kernel refuses: no namespace is needed for that."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.fakes.until import until
from weave_cli.names import PeerName
from weave_cli.router.overlay.vxlan import VxlanOverlay
from weave_cli.router.runtime import dataplane
from weave_cli.router.runtime.dataplane import DataPlane, DataPlaneSettings
from weave_cli.router.wire.intro import Features

US = PeerName(1)
THEM = Features(name=PeerName(2), nickname="host2", uid=2, conn_id=2, overlays=("vxlan",))


def test_connection_without_its_entry_is_ended_whatever_the_kernel_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(wanted: Any) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(dataplane, "reconcile_fdb", refuse)
    failed: list[tuple[int, str]] = []

    async def start() -> None:
        plane = DataPlane(DataPlaneSettings(name=US, mesh_port=6783), rng=random.Random(1))
        plane.report_to(
            on_established=lambda conn_id: None,
            on_failed=lambda conn_id, reason: failed.append((conn_id, reason)),
            send_control=lambda conn_id, payload: None,
        )
        plane._overlay = VxlanOverlay(us=US, udp_port=6784, mtu=1450, rng=random.Random(1))
        plane.start_connection(
            7, THEM, connection_uid=7, remote_ip="127.0.0.1", outbound=False, address="127.0.0.1:1"
        )
        await until(lambda: failed)
        await plane.close()

    asyncio.run(start())
    assert failed == [(7, "[Errno 24] Too many open files")]
