"""Which containers the proxy attaches (checklist: 660), and with which addresses."""

from __future__ import annotations

import pytest

from weave_cli.addresses import Fixed, FromSubnet, Wish, parse_cidr
from weave_cli.errors import UsageProblem
from weave_cli.proxy.rewriting.membership import LeftAlone, Member, decide, is_of_driver

_DEFAULT = (FromSubnet(None),)


def _net(text: str) -> FromSubnet:
    return FromSubnet(parse_cidr(text))


def _ip(text: str) -> Fixed:
    return Fixed(parse_cidr(text))


@pytest.mark.parametrize(
    ("mode", "environment", "wishes"),
    [
        ("", [], _DEFAULT),
        ("default", ["A=1"], _DEFAULT),
        ("bridge", [], _DEFAULT),
        ("none", [], _DEFAULT),  # without Docker's network, not without ours
        ("", ["WEAVE_CIDR="], _DEFAULT),
        ("", ["WEAVE_CIDR=  "], _DEFAULT),
        ("", ["WEAVE_CIDR=net:default"], _DEFAULT),
        ("", ["WEAVE_CIDR=10.2.1.1/24"], (_ip("10.2.1.1/24"),)),
        ("", ["WEAVE_CIDR=ip:10.2.1.1/24"], (_ip("10.2.1.1/24"),)),
        ("", ["WEAVE_CIDR=net:10.2.2.0/24"], (_net("10.2.2.0/24"),)),
        (
            "bridge",
            ["X=WEAVE_CIDR=none", "WEAVE_CIDR=10.2.1.1/24 net:10.2.2.0/24\tnet:default"],
            (_ip("10.2.1.1/24"), _net("10.2.2.0/24"), FromSubnet(None)),
        ),
        ("", ["WEAVE_CIDR=10.2.1.1/24", "WEAVE_CIDR=none"], (_ip("10.2.1.1/24"),)),  # the first counts
    ],
)
def test_660_a_container_is_attached(mode: str, environment: list[str], wishes: tuple[Wish, ...]) -> None:
    assert decide(mode, environment, wants_default_ipalloc=True) == Member(wishes=wishes)


@pytest.mark.parametrize(
    ("mode", "environment", "wants_default", "says"),
    [
        ("host", ["WEAVE_CIDR=10.2.1.1/24"], True, "--net=host"),
        ("container:auto", [], True, "--net=container:auto"),
        ("weave", [], True, "--net=weave"),
        ("some-network", ["WEAVE_CIDR="], True, "--net=some-network"),
        ("", ["WEAVE_CIDR=none"], True, "WEAVE_CIDR=none"),
        ("", [], False, "--no-default-ipalloc"),
    ],
)
def test_660_a_container_is_left_alone(
    mode: str, environment: list[str], wants_default: bool, says: str
) -> None:
    decision = decide(mode, environment, wants_default_ipalloc=wants_default)
    assert isinstance(decision, LeftAlone) and says in decision.reason


def test_660_an_empty_variable_asks_for_an_address_even_with_no_default_ipalloc() -> None:
    assert decide("", ["WEAVE_CIDR="], wants_default_ipalloc=False) == Member(wishes=_DEFAULT)


@pytest.mark.parametrize(
    "text", ["10.2.1.1", "nonsense", "10.2.1.1/24 nonsense", "999.0.0.1/24", "net:10.2.1.1/24", "net:"]
)
def test_a_bad_variable_is_named(text: str) -> None:
    with pytest.raises(UsageProblem, match="WEAVE_CIDR: invalid"):
        decide("", [f"WEAVE_CIDR={text}"], wants_default_ipalloc=True)


def test_networks_with_a_name_have_a_driver() -> None:
    assert [is_of_driver(mode) for mode in ("", "bridge", "none", "host", "container:x", "weave")] == [
        *[False] * 5,
        True,
    ]
