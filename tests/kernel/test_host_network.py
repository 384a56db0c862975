"""The devices, entries, sysctls and rules of a host, on this machine's kernel in namespaces of the tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kernel.namespaces import Host, Underlay, call_in, udp_socket
from weave_cli.errors import HostProblem
from weave_cli.host.iptables import DEFAULT, list_rules
from weave_cli.host.network import HostNetwork, NetworkWish, ensure_network, tear_down
from weave_cli.host.rules import NAT, FirewallFacts
from weave_cli.host.veth import create_endpoint_veth, delete_link, join_bridges, list_links

WISH = NetworkWish(
    bridge_mac="7a:00:00:00:00:01",
    vxlan_mac="0a:00:00:00:00:01",
    udp_port=6784,
    mtu=None,
    firewall=FirewallFacts(),
)


@pytest.fixture
def host(underlay: Underlay) -> Host:
    return underlay.host()


def ensure(host: Host, wish: NetworkWish = WISH) -> HostNetwork:
    return call_in(host.namespace, lambda: ensure_network(wish))


def link(host: Host, name: str) -> dict[str, object]:
    (found,) = json.loads(host.run(f"ip -j -d link show {name}"))
    assert isinstance(found, dict)
    return found


def refusal(host: Host, wish: NetworkWish = WISH) -> HostProblem:
    with pytest.raises(HostProblem) as caught:
        ensure(host, wish)
    return caught.value


def test_devices_are_as_wished(host: Host) -> None:
    network = ensure(host)
    assert (network.mtu, network.underlay_mtu) == (1450, 1500)
    bridge, vxlan = link(host, "weave"), link(host, "weave-vxlan")
    assert (bridge["address"], bridge["mtu"]) == ("7a:00:00:00:00:01", 1450)
    assert (vxlan["address"], vxlan["mtu"], vxlan["master"]) == ("0a:00:00:00:00:01", 1450, "weave")
    assert vxlan["linkinfo"]["info_data"]["port"] == 6784  # type: ignore[index]
    assert vxlan["linkinfo"]["info_data"]["limit"] == 65_536  # type: ignore[index]
    assert vxlan["linkinfo"]["info_slave_data"]["isolated"] is True  # type: ignore[index]
    assert "UP" in bridge["flags"] and "UP" in vxlan["flags"]  # type: ignore[operator]


def test_a_second_time_changes_nothing(host: Host) -> None:
    first = ensure(host)
    second = ensure(host)
    assert first.rules_changed and not second.rules_changed
    assert (first.bridge_index, first.vxlan_index) == (second.bridge_index, second.vxlan_index)


def test_the_mtu_follows_the_underlay(host: Host) -> None:
    host.run("ip link set eth0 mtu 1400")
    assert ensure(host).mtu == 1350


def test_without_a_default_route_the_narrowest_way_out_counts(host: Host) -> None:
    host.run("ip route del default")
    host.run("ip link set eth0 mtu 1300")
    host.run("ip link add docker0 mtu 1200 type bridge")
    host.run("ip link set docker0 up")
    assert ensure(host).mtu == 1250


def test_the_operators_mtu_wins_and_may_change(host: Host) -> None:
    ensure(host)
    wish = NetworkWish(
        bridge_mac=WISH.bridge_mac, vxlan_mac=WISH.vxlan_mac, udp_port=7784, mtu=1300, firewall=WISH.firewall
    )
    assert ensure(host, wish).mtu == 1300
    assert link(host, "weave")["mtu"] == link(host, "weave-vxlan")["mtu"] == 1300
    assert link(host, "weave-vxlan")["linkinfo"]["info_data"]["port"] == 7784  # type: ignore[index]


def test_sysctls_are_set(host: Host) -> None:
    ensure(host)
    read = {
        name: host.run(f"cat /proc/sys/net/{name}").strip()
        for name in (
            "ipv4/neigh/weave/base_reachable_time",
            "ipv4/neigh/weave/delay_first_probe_time",
            "ipv4/neigh/weave/ucast_solicit",
            "ipv6/conf/weave/accept_ra",
            "ipv6/conf/weave-vxlan/disable_ipv6",
        )
    }
    assert list(read.values()) == ["5", "2", "1", "0", "1"]


def test_a_taken_port_is_named(host: Host) -> None:
    with udp_socket(host.namespace, port=6784):
        problem = refusal(host)
    assert problem.message == "UDP port 6784 is taken: the VXLAN device weave-vxlan cannot use it"
    assert problem.hint is not None and "ss -lunp" in problem.hint


@pytest.mark.parametrize(
    ("name", "kind"), [("datapath", "bridge"), ("vethwe-bridge", "veth"), ("weave", "veth")]
)
def test_devices_of_another_weave_are_refused(host: Host, name: str, kind: str) -> None:
    host.run(f"ip link add {name} type {kind}")
    problem = refusal(host)
    assert f"network device {name} " in problem.message
    assert problem.hint is not None and "weave reset" in problem.hint


def test_tear_down_leaves_nothing_of_ours(host: Host) -> None:
    before = host.run("ip -o link"), host.run("iptables-save -t filter").count("WEAVE")
    ensure(host)
    host.container()
    call_in(host.namespace, lambda: create_endpoint_veth("vethwl9", "vethwg9"))
    host.run("ip link add vethother type veth peer name vethpeer")
    removed = call_in(host.namespace, tear_down)
    assert {"weave", "weave-vxlan"} < set(removed)
    assert call_in(host.namespace, lambda: list_links("weave") + list_links("vethw")) == []
    assert call_in(host.namespace, lambda: list_links("vethother")) == ["vethother"]
    host.run("ip link del vethother")
    after = host.run("ip -o link"), host.run("iptables-save -t filter").count("WEAVE")
    assert before == after
    assert call_in(host.namespace, tear_down) == []


def test_a_pair_replaces_an_old_one_and_has_the_bridges_mtu(host: Host) -> None:
    ensure(host)
    made = [
        call_in(host.namespace, lambda: create_endpoint_veth("vethwl1", "vethwg1", mac="02:00:00:00:00:09"))
        for _ in range(2)
    ]
    assert [(info.mac, info.mtu) for info in made] == [("02:00:00:00:00:09", 1450)] * 2
    host_end, guest_end = link(host, "vethwl1"), link(host, "vethwg1")
    assert host_end["master"] == "weave" and "UP" in host_end["flags"]  # type: ignore[operator]
    assert "UP" not in guest_end["flags"]  # type: ignore[operator]


def test_a_pair_that_cannot_be_made_leaves_nothing(host: Host) -> None:
    ensure(host)
    with pytest.raises(HostProblem, match="vethwg1"):
        call_in(host.namespace, lambda: create_endpoint_veth("vethwl1", "vethwg1", mac="01:00:00:00:00:09"))
    assert call_in(host.namespace, lambda: list_links("vethw")) == []


def test_a_pair_without_a_bridge_asks_for_a_launch(host: Host) -> None:
    with pytest.raises(HostProblem, match=r"weave bridge not present\. Did you launch weave\?"):
        call_in(host.namespace, lambda: create_endpoint_veth("vethwl1", "vethwg1"))


def test_links_are_deleted_once(host: Host) -> None:
    ensure(host)
    call_in(host.namespace, lambda: create_endpoint_veth("vethwl1", "vethwg1"))
    assert [call_in(host.namespace, lambda: delete_link("vethwl1")) for _ in range(2)] == [True, False]


def test_refused_sysctls_are_told(host: Host, tmp_path: Path) -> None:
    from weave_cli.host.knobs import ensure_knobs

    knob = tmp_path / "ipv6/conf/weave/accept_ra"
    knob.mkdir(parents=True)  # reading a directory is refused, whoever asks
    assert ensure_knobs(root=tmp_path) == ["ipv6/conf/weave/accept_ra"]


def test_another_bridge_is_tied_to_ours_once_and_translated_no_more(host: Host) -> None:
    ensure(host)
    host.run("ip link add docker0 type bridge")
    tie = ("vethwebldocker0", "vethwebgdocker0", "docker0")
    assert [call_in(host.namespace, lambda: join_bridges(*tie)) for _ in range(2)] == [True, False]
    assert link(host, "vethwebldocker0")["master"] == "weave"
    assert link(host, "vethwebgdocker0")["master"] == "docker0"
    assert ensure(host).rules_changed
    assert "-A WEAVE -o weave -j ACCEPT" in call_in(host.namespace, lambda: list_rules(DEFAULT, NAT))
    with pytest.raises(HostProblem, match="there is no bridge nowhere"):
        call_in(host.namespace, lambda: join_bridges("vethweblx", "vethwebgx", "nowhere"))
    call_in(host.namespace, tear_down)
    assert "vethweb" not in host.run("ip -o link")
