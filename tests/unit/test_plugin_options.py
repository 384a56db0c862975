"""What the options of a network mean, and which ones are refused."""

from __future__ import annotations

import pytest

from weave_cli.errors import UsageProblem
from weave_cli.plugin.options import NetworkFacts, guess_facts, read_facts, unknown_options


@pytest.mark.parametrize(
    ("word", "is_on"),
    [(None, False), ("", True), ("true", True), ("1", True), ("T", True), ("false", False), ("0", False)],
)
def test_multicast_option_is_a_go_boolean_or_empty(word: str | None, is_on: bool) -> None:
    options = {} if word is None else {"works.weave.multicast": word}
    assert read_facts("weavemesh", "n1", options).has_multicast is is_on


def test_networks_of_driver_weave_are_isolated_each_for_itself() -> None:
    assert read_facts("weave", "n1", {}).realm == "n1"
    assert read_facts("weave", "n1", {"works.weave.isolated": ""}).realm == "n1"
    assert read_facts("weave", "n1", {"works.weave.isolated": "false"}).realm == ""
    assert guess_facts("weave", "n1") == NetworkFacts(driver="weave", realm="n1", is_guess=True)


def test_networks_with_one_word_are_one() -> None:
    assert read_facts("weave", "n1", {"works.weave.network": "shop"}).realm == "shop"


def test_networks_of_driver_weavemesh_are_parts_of_one() -> None:
    assert read_facts("weavemesh", "n1", {"works.weave.isolated": "false"}).realm == ""
    assert guess_facts("weavemesh", "n1").realm == ""


def test_the_mtu_of_interfaces_may_be_chosen() -> None:
    assert read_facts("weave", "n1", {"com.docker.network.driver.mtu": "1300"}).mtu == 1300
    assert read_facts("weavemesh", "n1", {}).mtu == 0


@pytest.mark.parametrize(
    ("driver", "option", "word"),
    [
        ("weave", "works.weave.multicast", "yes"),
        ("weave", "works.weave.isolated", "no"),
        ("weave", "works.weave.network", "two words"),
        ("weavemesh", "works.weave.isolated", "true"),
        ("weavemesh", "works.weave.network", "shop"),
        ("weave", "com.docker.network.driver.mtu", "67"),
        ("weave", "com.docker.network.driver.mtu", "65536"),
        ("weave", "com.docker.network.driver.mtu", "-1"),
        ("weave", "com.docker.network.driver.mtu", "1" * 5000),
    ],
)
def test_words_that_mean_nothing_are_refused(driver: str, option: str, word: str) -> None:
    with pytest.raises(UsageProblem):
        read_facts(driver, "n1", {option: word})


def test_options_that_nobody_knows_are_named() -> None:
    assert unknown_options({"my.opt": "1", "works.weave.multicast": "", "a": "b"}) == ("a", "my.opt")
    assert read_facts("weave", "n1", {"my.opt": 3}) == NetworkFacts(driver="weave", realm="n1")
