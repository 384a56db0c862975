"""Looking after the host's network, without a host."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.fakes.until import until
from weave_cli.errors import HostProblem
from weave_cli.host.network import HostNetwork, NetworkWish
from weave_cli.host.rules import FirewallFacts
from weave_cli.router.runtime import host_upkeep
from weave_cli.router.runtime.host_upkeep import HostUpkeep

WISH = NetworkWish(
    bridge_mac="02:00:00:00:00:01",
    vxlan_mac="02:00:00:00:00:02",
    udp_port=6784,
    mtu=None,
    firewall=FirewallFacts(),
)


def network(vxlan_index: int) -> HostNetwork:
    return HostNetwork(
        mtu=1450,
        underlay_mtu=1500,
        bridge_index=1,
        vxlan_index=vxlan_index,
        tap_index=None,
        refused_knobs=(),
        rules_changed=False,
    )


def test_sockets_that_could_not_be_opened_on_new_devices_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = itertools.chain([network(2)], itertools.repeat(network(3)))
    monkeypatch.setattr(host_upkeep, "ensure_network", lambda wish: next(found))
    tries: list[str] = []

    async def resume(network: HostNetwork) -> None:
        tries.append("try")
        if len(tries) == 1:
            raise HostProblem("not yet")

    async def look() -> None:
        upkeep = HostUpkeep(WISH)
        await upkeep.prepare()
        with pytest.raises(HostProblem):
            await upkeep.look_after(resume)
        await upkeep.look_after(resume)
        await upkeep.look_after(resume)

    asyncio.run(look())
    assert len(tries) == 2


def test_host_is_looked_after_even_after_a_defect(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[str] = []

    def ensure(wish: NetworkWish) -> HostNetwork:
        looks.append("look")
        if len(looks) == 2:
            raise ValueError("an attribute that nobody expected")
        return network(2)

    monkeypatch.setattr(host_upkeep, "ensure_network", ensure)
    monkeypatch.setattr(host_upkeep, "UPKEEP_INTERVAL_S", 0.001)

    async def resume(network: HostNetwork) -> None: ...

    async def keep() -> None:
        upkeep = HostUpkeep(WISH)
        await upkeep.prepare()
        keeping = asyncio.create_task(upkeep.keep_up(resume))
        await until(lambda: len(looks) > 3 or keeping.done())
        assert not keeping.done()
        keeping.cancel()

    asyncio.run(keep())
    assert "cannot look after the host's network" in caplog.text
