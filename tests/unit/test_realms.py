"""What isolated networks are called, and the numbers that all hosts agree on."""

from __future__ import annotations

import pytest

from weave_cli.errors import UsageProblem
from weave_cli.realms import SHARED_VNI, parse_bridge_name, realm_of


def test_the_number_follows_from_the_key_for_ever() -> None:
    # Hosts of different versions must come to the same: this line may never change.
    assert realm_of("shop").vni == 0xFF716C
    assert realm_of("shop") == realm_of("shop") != realm_of("shop2")


def test_devices_have_names_that_the_kernel_takes() -> None:
    realm = realm_of("f" * 64)
    for name in (realm.bridge, realm.vxlan, realm.tap):
        assert len(name) <= 15
    assert parse_bridge_name(realm.bridge) == realm.vni


@pytest.mark.parametrize("name", ["weave", "weavebr-", "weavebr-12345", "weavebr-12345G", "weavevx-123456"])
def test_other_bridges_are_no_realms(name: str) -> None:
    assert parse_bridge_name(name) is None


@pytest.mark.parametrize("key", ["", "two words", "schön", "k" * 129, "a\n"])
def test_keys_are_visible_ascii(key: str) -> None:
    with pytest.raises(UsageProblem, match="does not name a network"):
        realm_of(key)


def test_no_realm_has_the_shared_number() -> None:
    assert SHARED_VNI not in {realm_of(str(number)).vni for number in range(20_000)}
