"""What the kernel says about a path whose route comes and goes."""

from __future__ import annotations

from tests.kernel.namespaces import Underlay, call_in
from weave_cli.router.runtime.vxlan_sockets import PathProbe


def test_probe_survives_the_loss_of_its_route(underlay: Underlay) -> None:
    host = underlay.host()
    probe = call_in(host.namespace, lambda: PathProbe("203.0.113.1", 6784))
    try:
        assert probe.send(b"frame").path_mtu == 1500
        host.run("ip route del default")
        lost = probe.send(b"frame")
        assert (lost.path_mtu, lost.refusal) == (None, "Network is unreachable")
        host.run("ip route add default via 10.205.1.254")
        assert probe.send(b"frame").path_mtu == 1500
    finally:
        probe.close()
