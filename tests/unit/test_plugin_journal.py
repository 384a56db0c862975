"""What the plugin remembers over its own death."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from weave_cli.addresses import parse_address
from weave_cli.errors import StoreProblem
from weave_cli.plugin.journal import Journal
from weave_cli.plugin.options import NetworkFacts

ADDRESS = parse_address("10.32.0.1")
FACTS = NetworkFacts(driver="weave", has_multicast=True, realm="shop", mtu=1300)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "plugin.db")


def test_everything_is_there_after_a_crash(path: str) -> None:
    journal = Journal(path)
    journal.save_network("n1", FACTS)
    journal.save_endpoint("e1", "n1", "10.32.0.1/12")
    journal.save_join("e1", "/var/run/docker/netns/s1", has_route=True)
    journal.save_address(ADDRESS, 12)
    journal.save_fact("engine shares networks", "no")
    for address in (ADDRESS + 1, ADDRESS):
        journal.save_names("c1", [(address, "a.weave.local."), (address, "b.weave.local.")])
    journal.save_names("c2", [(ADDRESS, "c.weave.local.")])
    journal.save_names("c2", [])

    again = Journal(path)  # the first one was never closed, as after SIGKILL
    assert again.find_network("n1") == FACTS
    assert again.find_network("n2") is None
    assert again.list_endpoints(is_gone=False) == ["e1"]
    assert again.has_route("/var/run/docker/netns/s1", besides="e2")
    assert [(held.address, held.prefix_len) for held in again.list_held()] == [(ADDRESS, 12)]
    assert again.find_fact("engine shares networks") == "no"
    assert again.list_names() == [("c1", ADDRESS, "a.weave.local."), ("c1", ADDRESS, "b.weave.local.")]
    again.close()
    journal.close()


def test_route_counts_for_other_living_endpoints_of_the_sandbox_only(path: str) -> None:
    journal = Journal(path)
    journal.save_endpoint("e1", "n1", "")
    journal.save_join("e1", "s1", has_route=True)
    assert not journal.has_route("s1", besides="e1")
    assert not journal.has_route("s2", besides="e2")
    assert not journal.has_route("", besides="e2")
    journal.mark_endpoint_gone("e1")
    assert not journal.has_route("s1", besides="e2")
    journal.close()


def test_endpoints_that_were_never_seen_can_be_gone(path: str) -> None:
    journal = Journal(path)
    journal.mark_endpoint_gone("e9")
    assert journal.list_endpoints(is_gone=True) == ["e9"]
    journal.remove_endpoint("e9")
    journal.remove_endpoint("e9")
    assert journal.list_endpoints(is_gone=True) == []
    journal.close()


def test_address_given_out_again_is_no_longer_to_be_released(path: str) -> None:
    journal = Journal(path)
    journal.save_address(ADDRESS, 12)
    (before,) = journal.list_held()
    journal.mark_address_releasing(ADDRESS)
    assert journal.find_releasing() == ADDRESS
    assert journal.list_held() == []
    journal.save_address(ADDRESS, 12)
    assert journal.find_releasing() is None
    (after,) = journal.list_held()
    assert after.serial > before.serial
    journal.close()


def test_broken_file_is_put_aside(path: str) -> None:
    Path(path).parent.mkdir()
    Path(path).write_bytes(b"this is no database at all " * 100)
    journal = Journal(path)
    assert journal.list_held() == []
    assert Path(f"{path}.broken").read_bytes().startswith(b"this is no database")
    journal.close()


def test_directory_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreProblem, match="cannot open"):
        Journal(str(tmp_path / "file" / "plugin.db"))


def test_networks_of_an_earlier_version_are_parts_of_the_shared_one(path: str) -> None:
    Path(path).parent.mkdir()
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE networks (id TEXT PRIMARY KEY, driver TEXT NOT NULL, multicast INTEGER NOT NULL)"
        )
        old.execute("INSERT INTO networks VALUES ('n1', 'weave', 1)")
    old.close()
    for _ in range(2):
        journal = Journal(path)
        assert journal.find_network("n1") == NetworkFacts(driver="weave", has_multicast=True)
        journal.close()


def test_the_network_of_an_endpoint_is_known(path: str) -> None:
    journal = Journal(path)
    journal.save_network("n1", FACTS)
    journal.save_endpoint("e1", "n1", "10.32.0.1/12")
    journal.save_endpoint("e2", "n2", "10.32.0.2/12")
    assert journal.find_network_of("e1") == FACTS
    assert journal.find_network_of("e2") is None
    assert journal.has_endpoints("n1") and journal.has_endpoints("n2")
    journal.mark_endpoint_gone("e1")
    assert not journal.has_endpoints("n1")
    assert journal.list_networks() == [("n1", FACTS)]
    journal.close()
