"""Docker's words as values and back (specification plugin, sections 3 to 5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weave_cli.addresses import parse_address, parse_cidr
from weave_cli.errors import UsageProblem, WeaveError
from weave_cli.plugin import protocol
from weave_cli.plugin.protocol import BadRequest, Pool

ENDPOINT = "ebe371eb1fb8ef217f89fbbaf3252e701dcc6a5df871ad7bf96dfcd6aa84b68d"


def test_pool_is_answered_with_its_network_address_as_gateway() -> None:
    pool = Pool(subnet=parse_cidr("10.40.0.0/16"), part=parse_cidr("10.40.3.0/24"))
    assert protocol.pool_reply(pool) == {
        "PoolID": "weave-10.40.0.0/16-10.40.3.0/24",
        "Pool": "10.40.0.0/16",
        "Data": {"com.docker.network.gateway": "10.40.0.0/16"},
    }
    assert protocol.parse_pool_id(pool.id) == pool


def test_pool_of_the_first_plugins_is_the_default_subnet() -> None:
    assert protocol.parse_pool_id("weavepool") is None


@pytest.mark.parametrize("text", ["", "weave-", "stubpool-10.40.0.0_16", "weave-10.40.0.0/16", "weave-x-y"])
def test_foreign_pool_ids_are_refused(text: str) -> None:
    with pytest.raises(UsageProblem):
        protocol.parse_pool_id(text)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"Pool": "10.40.0.1/16"}, "bits after network prefix"),
        ({"Pool": "10.40.0.0/31"}, "smaller than minimum size"),
        ({"Pool": "fd00::/64"}, "no IPv6"),
        ({"Pool": "", "V6": True}, "no IPv6"),
        ({"Pool": "", "SubPool": "10.40.0.0/24"}, "range without a subnet"),
        ({"Pool": "10.40.0.0/16", "SubPool": "10.41.0.0/24"}, "not inside subnet"),
        ({"Pool": "10.40.0.0/24", "SubPool": "10.40.0.0/16"}, "not inside subnet"),
    ],
)
def test_pools_that_cannot_be_are_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageProblem, match=words):
        protocol.read_pool_wish(body)


def test_gateway_is_told_from_an_address() -> None:
    pool_id = "weave-10.40.0.0/16-10.40.0.0/16"
    options = {"RequestAddressType": "com.docker.network.gateway"}
    assert protocol.read_address_wish({"PoolID": pool_id, "Address": "", "Options": options}).is_gateway
    wish = protocol.read_address_wish({"PoolID": pool_id, "Address": "10.40.9.9", "Options": None})
    assert not wish.is_gateway
    assert wish.address == parse_address("10.40.9.9")


def test_network_wish_has_the_operators_options() -> None:
    wish = protocol.read_network_wish(
        {
            "NetworkID": "n1",
            "Options": {
                "com.docker.network.enable_ipv6": False,
                "com.docker.network.generic": {"my.opt": "1", "works.weave.multicast": "true"},
            },
            "IPv4Data": [{"AddressSpace": "LocalDefault", "Pool": "10.50.0.0/24"}],
            "IPv6Data": [],
        }
    )
    assert wish.options == {"my.opt": "1", "works.weave.multicast": "true"}
    assert wish.address_spaces == ("LocalDefault",)


def test_interface_names_fit_the_kernel() -> None:
    assert protocol.host_link(ENDPOINT) == "vethwlebe371eb1"
    assert protocol.guest_link(ENDPOINT) == "vethwgebe371eb1"
    assert protocol.guest_second_name(ENDPOINT) == "vethwxebe371eb1"
    assert len(protocol.host_link(ENDPOINT)) == 15


def test_mac_is_answered_only_when_docker_gave_none() -> None:
    body = {"EndpointID": ENDPOINT, "Interface": {"Address": "10.32.0.1/12", "MacAddress": ""}}
    assert protocol.endpoint_reply(protocol.read_endpoint_wish(body), "02:00:00:00:00:01") == {
        "Interface": {"MacAddress": "02:00:00:00:00:01"}
    }
    body["Interface"] = {"Address": "10.32.0.1/12", "MacAddress": "02:00:00:00:00:01"}
    assert protocol.endpoint_reply(protocol.read_endpoint_wish(body), "02:00:00:00:00:01") == {
        "Interface": {}
    }


def test_join_brings_the_route_only_when_wanted() -> None:
    with_route = protocol.join_reply("vethwxebe371eb1", has_multicast_route=True)
    assert with_route["StaticRoutes"] == [{"Destination": "224.0.0.0/4", "RouteType": 1, "NextHop": ""}]
    assert protocol.join_reply("vethwxebe371eb1", has_multicast_route=False) == {
        "InterfaceName": {"SrcName": "vethwxebe371eb1", "DstPrefix": "ethwe"},
        "StaticRoutes": [],
        "Gateway": "",
        "GatewayIPv6": "",
        "DisableGatewayService": False,
    }


@pytest.mark.parametrize("body", [{}, {"EndpointID": ""}, {"EndpointID": 7}, {"EndpointID": ["x"]}])
def test_requests_without_what_they_need_are_bad(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        protocol.read_joining(body)


@pytest.mark.parametrize("endpoint", ["%d", "..", "a/b", "a b", "a\0b", "\ud800", "x" * 50 + "é"])
def test_endpoint_ids_that_no_device_can_be_called_after_are_bad(endpoint: str) -> None:
    body = {"EndpointID": endpoint, "Interface": {"Address": "10.32.0.1/12"}}
    for read in (protocol.read_endpoint_wish, protocol.read_joining, protocol.read_endpoint_id):
        with pytest.raises(BadRequest, match="EndpointID"):
            read(body)


@pytest.mark.parametrize("network", ["%d", "..", "a/b", "a b", "x" * 129])
def test_network_ids_that_docker_would_not_give_are_bad(network: str) -> None:
    body = {"NetworkID": network, "EndpointID": "e", "Interface": {"Address": "10.32.0.1/12"}}
    reads = (protocol.read_network_wish, protocol.read_network_id, protocol.read_endpoint_wish)
    for read in (*reads, protocol.read_joining):
        with pytest.raises(BadRequest, match="NetworkID is no id"):
            read(body)


@pytest.mark.parametrize("mac", [" ", "02:00", "zz:zz:zz:zz:zz:zz", "02:00:00:00:00:01:02", "020000000001"])
def test_mac_addresses_that_are_none_are_bad(mac: str) -> None:
    body = {"EndpointID": ENDPOINT, "Interface": {"Address": "10.32.0.1/12", "MacAddress": mac}}
    with pytest.raises(BadRequest, match="MacAddress"):
        protocol.read_endpoint_wish(body)


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "a\nb"])
def test_text_that_cannot_be_stored_or_shown_is_bad(text: str) -> None:
    with pytest.raises(BadRequest, match="NetworkID"):
        protocol.read_network_id({"NetworkID": text})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_KEYS = st.sampled_from(
    [
        "NetworkID",
        "EndpointID",
        "Interface",
        "Options",
        "IPv4Data",
        "PoolID",
        "Address",
        "Pool",
        "SubPool",
        "V6",
    ]
)


@settings(max_examples=150)
@given(st.dictionaries(_KEYS, _JSON, max_size=6))
def test_any_object_is_read_or_refused(body: dict[str, Any]) -> None:
    for read in (
        protocol.read_pool_wish,
        protocol.read_address_wish,
        protocol.read_network_wish,
        protocol.read_endpoint_wish,
        protocol.read_joining,
        protocol.read_release,
    ):
        try:
            read(body)
        except WeaveError:
            continue
