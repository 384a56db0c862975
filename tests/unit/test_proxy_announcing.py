"""The proxy's word about where it listens, whoever asks for it and hangs up."""

from __future__ import annotations

import asyncio
import socket

import pytest

from weave_cli.daemon_thread import in_thread
from weave_cli.operations import proxy_beacon
from weave_cli.proxy import announcing
from weave_cli.proxy.announcing import Beacon

pytestmark = pytest.mark.unit


def test_callers_that_hang_up_at_once_do_not_silence_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        beacon = Beacon(["tcp://0.0.0.0:12375", "unix:///x"])
        name = f"\0weave/test-{id(beacon)}"
        for room in (announcing, proxy_beacon):
            monkeypatch.setattr(room, "PROXY_BEACON", name)
        beacon.open()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(name)
        serving = asyncio.create_task(beacon.serve())
        try:
            found = await in_thread(proxy_beacon.find_proxy, "caller")
            assert found == ("tcp://0.0.0.0:12375", "unix:///x")
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            beacon.close()

    asyncio.run(run())
