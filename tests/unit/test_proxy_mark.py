"""What `docker inspect` and `ps` show with --rewrite-inspect (checklist: 605), and old starts (666)."""

from __future__ import annotations

from typing import Any

import pytest

from weave_cli.proxy.rewriting.creation import Resolver
from weave_cli.proxy.rewriting.documents import read_rows
from weave_cli.proxy.rewriting.inspection import show_network
from weave_cli.proxy.rewriting.mark import has_mark, hide_mark, hide_mark_in_row
from weave_cli.proxy.rewriting.starting import restore_host_config
from weave_cli.proxy.rewriting.workload import explain_exit, read_extra_hosts, read_workload

Json = dict[str, Any]

_ID = "a" * 64


def _facts(**config: Any) -> Json:
    return {
        "Id": _ID,
        "Path": "/w/w",
        "Args": ["sh", "-c", "true"],
        "State": {"Running": True, "Pid": 77},
        "HostsPath": f"/var/lib/docker/containers/{_ID}/hosts",
        "HostConfig": {
            "Binds": ["/a:/b", "weavewait:/w:ro,nocopy"],
            "NetworkMode": "default",
            "ExtraHosts": ["box:10.9.9.9"],
        },
        "Mounts": [{"Destination": "/b"}, {"Type": "volume", "Name": "weavewait", "Destination": "/w"}],
        "Config": {"Entrypoint": ["/w/w"], "Cmd": ["sh", "-c", "true"], "Env": ["A=1"], **config},
        "NetworkSettings": {"IPAddress": "172.17.0.2", "IPPrefixLen": 16, "Bridge": ""},
    }


def test_605_nothing_of_the_waiting_is_shown() -> None:
    facts = _facts()
    hide_mark(facts)
    assert (facts["Path"], facts["Args"]) == ("sh", ["-c", "true"])
    assert facts["Config"]["Entrypoint"] is None and facts["Config"]["Cmd"] == ["sh", "-c", "true"]
    assert facts["HostConfig"]["Binds"] == ["/a:/b"] and facts["Mounts"] == [{"Destination": "/b"}]
    entry = _facts(Entrypoint=["/.weavewait/w", "/entry"])
    hide_mark(entry)
    assert entry["Config"]["Entrypoint"] == ["/entry"]


def test_605_other_containers_are_shown_as_they_are() -> None:
    for facts in (_facts(Entrypoint=["/bin/w"]), _facts(Entrypoint=None), {}, {"Config": None}):
        before = repr(facts)
        hide_mark(facts)
        assert repr(facts) == before


def test_605_the_networks_address_is_shown() -> None:
    facts = _facts()
    show_network(facts, "16:00:00:00:00:01", "10.32.0.1", 12)
    assert facts["NetworkSettings"] == {
        "MacAddress": "16:00:00:00:00:01",
        "IPAddress": "10.32.0.1",
        "IPPrefixLen": 12,
        "Bridge": "",
    }


def test_605_lists_do_not_show_it_either() -> None:
    rows = read_rows(
        b'[{"Command":"/w/w sh -c x","Mounts":[{"Name":"weavewait"}]},{"Command":"sh"},{"Command":""}]'
    )
    for row in rows:
        hide_mark_in_row(row)
    assert rows == [{"Command": "sh -c x", "Mounts": []}, {"Command": "sh"}, {"Command": ""}]


def test_a_workload_is_read_from_what_docker_tells() -> None:
    found = read_workload(_facts(Hostname="h"))
    assert found is not None
    assert (found.id, found.pid, found.network_mode, found.environment) == (_ID, 77, "default", ("A=1",))
    assert (found.has_own_hosts_file, found.program, found.directory) == (True, "sh", "/w")
    assert read_workload(_facts(Entrypoint=["sh"])) is None
    assert not has_mark({})
    ended = {**_facts(), "State": {"Running": False, "Pid": 77}, "HostsPath": "/home/me/hosts"}
    found = read_workload(ended)
    assert found is not None and found.pid == 0 and not found.has_own_hosts_file


def test_extra_hosts_are_read_as_docker_keeps_them() -> None:
    lines = ["box:10.9.9.9", "six:fe80::1", "eq=10.9.9.8", "gate:host-gateway", "bad", "x:", ":1", "a:1 b"]
    assert [(one.name, one.address) for one in read_extra_hosts(lines, "172.17.0.1")] == [
        ("box", "10.9.9.9"),
        ("six", "fe80::1"),
        ("eq", "10.9.9.8"),
        ("gate", "172.17.0.1"),
    ]
    assert read_extra_hosts(["gate:host-gateway"], None) == ()


@pytest.mark.parametrize(
    ("status", "program", "says"),
    [
        (127, "foo", 'exec: "foo": executable file not found in $PATH'),
        (127, "/foo", 'exec: "/foo": no such file or directory'),
        (126, "/etc/passwd", 'exec: "/etc/passwd": permission denied'),
        (1, "foo", None),
        (137, "foo", None),
        (None, "foo", None),
    ],
)
def test_610_a_program_that_is_not_there_is_explained(status: int | None, program: str, says: str) -> None:
    assert explain_exit(status, program) == says


_RESOLVER = Resolver(address="172.17.0.1", domain="weave.local.")
_BIND = "weavewait:/w:ro,nocopy"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"Binds": [], "Dns": None, "NetworkMode": ""},
            {"Binds": [_BIND], "Dns": ["172.17.0.1"], "NetworkMode": "", "DnsSearch": ["."]},
        ),
        (
            {"HostConfig": {}},
            {"HostConfig": {"Binds": [_BIND], "Dns": ["172.17.0.1"], "DnsSearch": ["."]}},
        ),
        ({"NetworkMode": "container:c1"}, {"NetworkMode": "container:c1", "Binds": [_BIND]}),
        (
            {"NetworkMode": "container:c2", "HostConfig": {"NetworkMode": "host"}},
            {"NetworkMode": "container:c2", "HostConfig": {"NetworkMode": "host", "Binds": [_BIND]}},
        ),
    ],
)
def test_666_what_an_old_start_replaces_is_put_back(given: Json, expected: Json) -> None:
    container = read_workload(_facts(Hostname="h"))
    assert container is not None
    assert restore_host_config(given, container, _RESOLVER) is not None and given == expected


@pytest.mark.parametrize("given", [{}, {"HostConfig": None}])
def test_666_a_start_that_says_nothing_passes(given: Json) -> None:
    container = read_workload(_facts())
    assert container is not None
    assert restore_host_config(given, container, _RESOLVER) is None
