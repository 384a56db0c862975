"""Pictures of meshes: well-formed, the same each time, nobody on top of another."""

from __future__ import annotations

import math
from itertools import combinations
from xml.etree import ElementTree

import pytest

from tests.fakes.mesh_reports import mesh_report, name_of
from weave_cli.output.graph_layout import place_nodes
from weave_cli.output.topology_picture import draw_dot, draw_svg
from weave_cli.reports import Report
from weave_cli.topology import read_topology

pytestmark = pytest.mark.unit

_SVG = "{http://www.w3.org/2000/svg}"

_EVIL = mesh_report(
    3, nicknames={2: '<script>"&', 3: "b\\c"}, dead_targets=["10.0.0.9:6783"], is_encrypted=True
)


def _picture(report: Report) -> ElementTree.Element:
    return ElementTree.fromstring(draw_svg(read_topology(report)))


@pytest.mark.parametrize("count", [1, 2, 5, 20, 100])
@pytest.mark.parametrize("is_line", [False, True])
def test_everybody_is_in_the_picture_and_within_it(count: int, is_line: bool) -> None:
    root = _picture(mesh_report(count, is_line=is_line))
    texts = [text.text for text in root.iter(f"{_SVG}text")]
    assert {f"host{number}" for number in range(1, count + 1)} <= set(texts)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    marks = [*root.iter(f"{_SVG}circle")]
    for mark in marks:
        assert 0 < float(mark.attrib["cx"]) < width
        assert 0 < float(mark.attrib["cy"]) < height


def test_links_are_lines_of_their_kind() -> None:
    root = _picture(mesh_report(5, missing={(2, 4)}, pending={(3, 5)}, by_sleeve={3}))
    kinds = [line.attrib["class"] for line in root.iter(f"{_SVG}line")]
    legend = {"vxlan": 1, "sleeve": 1, "pending": 1, "other": 1}
    assert {kind: kinds.count(kind) - legend[kind] for kind in legend} == {
        "vxlan": 3,
        "sleeve": 1,
        "pending": 1,
        "other": 4,
    }


def test_round_trips_stand_beside_own_links() -> None:
    texts = [text.text for text in _picture(mesh_report(3, is_encrypted=True)).iter(f"{_SVG}text")]
    assert "0.20 ms encrypted" in texts and "0.30 ms encrypted" in texts


def test_names_of_others_are_no_markup() -> None:
    texts = [text.text for text in _picture(_EVIL).iter(f"{_SVG}text")]
    assert '<script>"&' in texts
    assert any(text and text.startswith("not there: 10.0.0.9:6783") for text in texts)


def test_picture_is_the_same_for_the_same_mesh() -> None:
    assert draw_svg(read_topology(mesh_report(12, is_line=True))) == draw_svg(
        read_topology(mesh_report(12, is_line=True))
    )


def test_dot_quotes_what_others_chose() -> None:
    lines = draw_dot(read_topology(_EVIL)).splitlines()
    assert lines[0] == "graph weave {" and lines[-1] == "}"
    assert f'  "{name_of(2)}" [label="<script>\\"&"];' in lines
    assert f'  "{name_of(3)}" [label="b\\\\c"];' in lines
    assert f'  "{name_of(1)}" -- "{name_of(2)}" [style=solid, label="vxlan encrypted 0.20 ms"];' in lines
    assert f'  "{name_of(2)}" -- "{name_of(3)}" [style=solid];' in lines


@pytest.mark.parametrize(
    "links",
    [
        [],
        [(0, 1), (1, 2), (2, 3)],
        [(0, place) for place in range(1, 20)],
        [(place, place + 1) for place in range(40)],
        [*combinations(range(6), 2), *combinations(range(6, 12), 2), (0, 6)],
    ],
    ids=["none", "chain", "star", "long chain", "two clusters"],
)
def test_nodes_keep_apart_within_the_square(links: list[tuple[int, int]]) -> None:
    count = max([4, *(node + 1 for link in links for node in link)])
    points = place_nodes(count, links)
    assert len(points) == count
    assert all(-1e-9 <= value <= 1 + 1e-9 for point in points for value in point)
    nearest = min(math.dist(one, other) for one, other in combinations(points, 2))
    assert nearest > 0.15 / math.sqrt(count)


def test_clusters_stay_together() -> None:
    links = [*combinations(range(6), 2), *combinations(range(6, 12), 2), (0, 6)]
    points = place_nodes(12, links)
    within = max(math.dist(points[one], points[other]) for one, other in combinations(range(1, 6), 2))
    between = min(math.dist(points[one], points[other]) for one in range(1, 6) for other in range(7, 12))
    assert within < between
