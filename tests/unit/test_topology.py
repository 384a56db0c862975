"""The graph that a report tells of, and how it is drawn at every size."""

from __future__ import annotations

import pytest

from tests.fakes.mesh_reports import mesh_report, name_of
from weave_cli.output.signs import ASCII, UNICODE, choose_signs, coloured, fit, plain, width_of
from weave_cli.output.topology_data import make_data
from weave_cli.output.topology_text import draw_topology
from weave_cli.reports import Report
from weave_cli.topology import LinkState, Topology, missing_links, read_topology

pytestmark = pytest.mark.unit

_FIVE = mesh_report(
    5,
    missing={(2, 4)},
    pending={(1, 5)},
    one_sided={(3, 5)},
    by_sleeve={3},
    is_encrypted=True,
    in_clear={4},
    dead_targets=["10.0.0.9:6783"],
    gone=["host7"],
)


def _drawn(report: Report, width: int = 80) -> str:
    lines = draw_topology(read_topology(report), width=width, signs=ASCII, paint=plain)
    return "\n".join(lines)


def test_links_have_what_both_ends_tell() -> None:
    topology = read_topology(_FIVE)
    states = {link.ends: link.state for link in topology.links}
    assert len(states) == 9
    assert states[name_of(1), name_of(5)] is LinkState.PENDING
    assert states[name_of(3), name_of(5)] is LinkState.ONE_SIDED
    assert states[name_of(2), name_of(3)] is LinkState.ESTABLISHED
    assert list(missing_links(topology)) == [
        (name_of(1), name_of(5)),
        (name_of(2), name_of(4)),
        (name_of(3), name_of(5)),
    ]


def test_own_links_have_overlay_encryption_and_round_trip_and_others_have_not() -> None:
    own = read_topology(_FIVE).own_links()
    sleeve, clear = own[name_of(3)], own[name_of(4)]
    assert (sleeve.overlay, sleeve.is_encrypted, sleeve.round_trip_ms, sleeve.mtu) == (
        "sleeve",
        True,
        0.3,
        1438,
    )
    assert sleeve.trouble == "vxlan: no heartbeats through UDP port 6784 from host3 for 5 s"
    assert (clear.overlay, clear.is_encrypted, clear.trouble) == ("vxlan", False, None)
    other = next(link for link in read_topology(_FIVE).links if link.ends == (name_of(2), name_of(3)))
    assert (other.overlay, other.is_encrypted, other.round_trip_ms) == (None, None, None)


def test_hosts_behind_others_are_counted_in_hops() -> None:
    nodes = read_topology(mesh_report(5, is_line=True)).nodes
    assert [(node.nickname, node.hops, node.via) for node in nodes] == [
        ("host1", 0, None),
        ("host2", 1, None),
        ("host3", 2, name_of(2)),
        ("host4", 3, name_of(2)),
        ("host5", 4, name_of(2)),
    ]


def test_those_who_are_not_there_are_told_with_the_reason() -> None:
    assert [(one.label, one.reason) for one in read_topology(_FIVE).absent] == [
        ("10.0.0.9:6783", "failed: dial tcp 10.0.0.9:6783: connect: connection refused, retry: never"),
        ("host7", "gone, and owns 1000 addresses"),
    ]


def test_data_for_programs_has_the_whole_graph() -> None:
    data = make_data(read_topology(_FIVE))
    assert data["self"] == name_of(1)
    assert [len(data[key]) for key in ("nodes", "links", "absent")] == [5, 9, 2]
    assert data["links"][1] == {
        "ends": [name_of(1), name_of(3)],
        "state": "established",
        "address": "10.0.0.3:6783",
        "overlay": "sleeve",
        "encrypted": True,
        "roundTripMs": 0.3,
        "mtu": 1438,
        "pathMtu": None,
        "trouble": "vxlan: no heartbeats through UDP port 6784 from host3 for 5 s",
    }


def test_five_hosts_with_every_kind_of_trouble() -> None:
    assert _drawn(_FIVE) == (
        r"""5 hosts as host1 sees them: 7 of 10 links are there, 1 one-sided, 1 pending, 2
not there.

host1 (7a:42:00:00:00:01)
|- host3  sleeve encrypted   0.30 ms  10.0.0.3:6783
|     ! vxlan: no heartbeats through UDP port 6784 from host3 for 5 s
|- host5  pending                     10.0.0.5:6783
|- host2  vxlan encrypted    0.20 ms  10.0.0.2:6783
`- host4  vxlan in clear     0.40 ms  10.0.0.4:6783

        1 2 3 4 5
host1 1 \ o o o ?
host2 2 o \ o . o
host3 3 o o \ o ?
host4 4 o . o \ o
host5 5 ? o ? o \
      o link   ? pending, or one end only   . none

Not there:
  ! 10.0.0.9:6783  failed: dial tcp 10.0.0.9:6783: connect: connection refused,
      retry: never
  ! host7  gone, and owns 1000 addresses"""
    )


def test_two_hosts_need_no_table() -> None:
    assert _drawn(mesh_report(2)) == (
        "2 hosts as host1 sees them: 1 of 1 links are there.\n\n"
        "host1 (7a:42:00:00:00:01)\n"
        "`- host2  vxlan   0.20 ms  10.0.0.2:6783"
    )


def test_one_host_is_alone() -> None:
    assert _drawn(mesh_report(1)) == "host1 is alone.\n\nhost1 (7a:42:00:00:00:01)"


def test_chain_is_shown_behind_its_first_host() -> None:
    drawn = _drawn(mesh_report(4, is_line=True))
    assert "`- host2  vxlan   0.20 ms  10.0.0.2:6783\n   |- host3  2 hops\n   `- host4  3 hops\n" in drawn


def test_hundred_hosts_are_told_by_what_is_special_of_them() -> None:
    report = mesh_report(100, missing={(2, 4), (2, 9), (50, 60)}, by_sleeve={3}, is_encrypted=True)
    drawn = _drawn(report)
    assert len(drawn.splitlines()) < 45
    assert drawn.startswith("100 hosts as host1 sees them: 4947 of 4950 links are there.\n")
    assert "\n|- host3  sleeve encrypted   0.30 ms  10.0.0.3:6783\n|     ! vxlan: " in drawn
    assert "\n`- 98 hosts by vxlan encrypted, 0.20 to 10.0 ms:\n" in drawn
    assert drawn.endswith(
        "Everybody is linked with everybody, but for these:\n  host2 - host4, host9   host50 - host60"
    )


def test_what_all_have_in_common_is_said_once() -> None:
    drawn = _drawn(mesh_report(30, by_sleeve=range(2, 31)))
    assert drawn.count("no heartbeats") == 1
    assert "29 hosts by sleeve" in drawn


def test_links_of_a_long_chain_are_listed() -> None:
    drawn = _drawn(mesh_report(100, is_line=True))
    listed = drawn.partition("Who is linked with whom:\n")[2]
    assert {f"host{number}" for number in range(1, 101)} <= set(listed.replace(",", "").split())


@pytest.mark.parametrize("count", [2, 5, 20, 100])
@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_lines_keep_to_the_terminal(count: int, width: int) -> None:
    report = mesh_report(count, missing={(2, 4)}, by_sleeve={3, 7}, dead_targets=["10.0.0.250:6783"])
    lines = draw_topology(read_topology(report), width=width, signs=UNICODE, paint=plain)
    assert [line for line in lines if width_of(line) > max(width, 30)] == []


def test_nicknames_cannot_move_the_cursor() -> None:
    drawn = _drawn(mesh_report(2, nicknames={2: "\x1b[2Jevil\nhost"}))
    assert "\x1b" not in drawn
    assert "?[2Jevil?host" in drawn


def test_hosts_of_the_same_nickname_are_told_apart() -> None:
    drawn = _drawn(mesh_report(3, nicknames={3: "host2"}))
    assert f"host2({name_of(2)})" in drawn
    assert f"host2({name_of(3)})" in drawn


def test_colours_add_nothing_but_colour() -> None:
    topology = read_topology(_FIVE)
    bare = draw_topology(topology, width=80, signs=UNICODE, paint=plain)
    painted = draw_topology(topology, width=80, signs=UNICODE, paint=coloured)
    assert painted != bare
    assert [_unpainted(line) for line in painted] == bare


def _unpainted(line: str) -> str:
    for code in ("0", "1", "2", "31", "32", "33"):
        line = line.replace(f"\x1b[{code}m", "")
    return line.rstrip()


def test_signs_fit_the_encoding() -> None:
    assert choose_signs("utf-8") is UNICODE
    assert choose_signs("ascii") is choose_signs("latin-1") is choose_signs(None) is ASCII


def test_wide_letters_take_two_columns() -> None:
    assert width_of("主机") == 4
    assert fit("主机", 3) == "主 "
    assert fit("ab", 3) == "ab "


def test_unreachable_hosts_are_named() -> None:
    report = mesh_report(4, missing={(1, 3), (2, 3), (3, 4)})
    drawn = _drawn(report)
    assert "1 hosts cannot be reached" in drawn
    assert "`- host3  cannot be reached" in drawn


def test_topology_of_a_report_without_addresses() -> None:
    report = mesh_report(2)
    del report["IPAM"]
    assert isinstance(read_topology(report), Topology)
