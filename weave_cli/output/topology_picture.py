"""The mesh as a picture: SVG of our own layout, or text for Graphviz. Pure, and the same for the same mesh.

Overlays differ in line and colour, so that a print in black and white tells as much.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from xml.sax.saxutils import escape

from weave_cli.output.graph_layout import Point, place_nodes
from weave_cli.output.signs import clean, width_of
from weave_cli.output.topology_text import describe_link, describe_round_trip, label_nodes
from weave_cli.topology import Link, LinkState, Topology

#: More links of ours than this, and their labels would cover one another.
_MOST_LABELS: Final = 14
#: More hosts than this are dots with their name beside them.
_MOST_BOXES: Final = 24

#: From the middle of a line of text to its foot; not every viewer knows how to centre one.
_HALF_LINE: Final = 4.5
#: Width of a character of small text, and height of a line of it.
_CHARACTER: Final = 6.2
_LINE: Final = 18.0

_STYLE: Final = """
    text { font: 13px sans-serif; fill: #1b1f24 }
    .title { font-size: 16px; font-weight: bold }
    .small, .trip { font-size: 11px }
    .trip { paint-order: stroke; stroke: #fff; stroke-width: 4px; text-anchor: middle }
    .name { text-anchor: middle }
    .beside { font-size: 10px }
    .host { fill: #f3f6fa; stroke: #4a5561; stroke-width: 1.5 }
    .own { fill: #dcebff; stroke: #0b57a4; stroke-width: 3 }
    .lost { fill: #fff; stroke: #b3261e; stroke-width: 1.5; stroke-dasharray: 4 3 }
    .lost-text { fill: #b3261e }
    line { stroke: #8a949e; stroke-width: 1.2 }
    .vxlan { stroke: #1f7a3a; stroke-width: 2.6 }
    .sleeve { stroke: #b06000; stroke-width: 2.6; stroke-dasharray: 9 4 }
    .pending { stroke: #b3261e; stroke-width: 1.6; stroke-dasharray: 2 4 }
    .many { stroke-width: 1.2 }
"""

_LEGEND: Final = (
    ("vxlan", "by the kernel (vxlan)"),
    ("sleeve", "by the router (sleeve)"),
    ("pending", "not established"),
    ("other", "between other hosts"),
)


def draw_svg(topology: Topology) -> str:
    """A document of its own, that browsers and image viewers show."""
    count = len(topology.nodes)
    side = max(360.0, min(1400.0, 90.0 * math.sqrt(count) + 25.0 * min(count, _MOST_BOXES)))
    margin, head = 110.0, 60.0
    width = side + 2 * margin
    foot = list(_foot(topology, int((width - 60) / _CHARACTER)))
    height = head + side + margin + _LINE * (len(foot) + 1)
    places = place_nodes(count, _pairs(topology))
    points = {
        node.name: (margin + side * x, head + margin / 2 + side * y)
        for node, (x, y) in zip(topology.nodes, places, strict=True)
    }
    centre = (margin + side / 2, head + margin / 2 + side / 2)
    body = [
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        _text(20, 32, _title(topology), "title"),
        *_draw_links(topology, points),
        *_draw_nodes(topology, points, centre),
        *_draw_foot(foot, head + side + margin),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}">\n  <style>{_STYLE}  </style>\n'
        + "".join(f"  {line}\n" for line in body)
        + "</svg>\n"
    )


def draw_dot(topology: Topology) -> str:
    """For Graphviz, as in: weave status topology --dot | neato -Tpdf > mesh.pdf."""
    labels = label_nodes(topology)
    is_mixed = _is_mixed(topology)
    lines = ["graph weave {", "  overlap=false;", "  node [shape=box, style=rounded, fontname=sans];"]
    for node in topology.nodes:
        extra = ", penwidth=3" if node is topology.own else ", color=red" if node.hops is None else ""
        lines.append(f"  {_quoted(node.name)} [label={_quoted(labels[node.name])}{extra}];")
    for number, one in enumerate(topology.absent):
        label = f"{clean(one.label)}\n{clean(one.reason)}"
        lines.append(f'  "absent {number}" [label={_quoted(label)}, color=red, style=dashed];')
    own_name = topology.own.name
    for link in topology.links:
        style = "solid" if link.state is LinkState.ESTABLISHED else "dotted"
        if link.overlay == "sleeve":
            style = "dashed"
        words = [f"style={style}"]
        if link.ends[0] == own_name:
            told = f"{describe_link(link, is_mixed=is_mixed)} {describe_round_trip(link)}".strip()
            words.append(f"label={_quoted(told)}")
        lines.append(f"  {_quoted(link.ends[0])} -- {_quoted(link.ends[1])} [{', '.join(words)}];")
    return "\n".join([*lines, "}", ""])


def _pairs(topology: Topology) -> list[tuple[int, int]]:
    number = {node.name: place for place, node in enumerate(topology.nodes)}
    return [(number[one], number[other]) for one, other in (link.ends for link in topology.links)]


def _title(topology: Topology) -> str:
    labels = label_nodes(topology)
    count = len(topology.nodes)
    return f"{count} host{'s' * (count > 1)} as {labels[topology.own.name]} sees them"


def _is_mixed(topology: Topology) -> bool:
    return any(link.is_encrypted for link in topology.links)


def _kind(link: Link) -> str:
    if link.state is not LinkState.ESTABLISHED:
        return "pending"
    return link.overlay if link.overlay in ("vxlan", "sleeve") else "other"


def _draw_links(topology: Topology, points: Mapping[str, Point]) -> Iterator[str]:
    """Those of others first, so that ours are in front."""
    own = topology.own_links()
    many = " many" if len(own) > _MOST_BOXES else ""
    faint = f' opacity="{max(0.08, 60 / len(topology.links)):.2f}"' if len(topology.links) > 60 else ""
    for link in reversed(topology.links):
        (x1, y1), (x2, y2) = (points[end] for end in link.ends)
        kind = _kind(link)
        look = faint if kind == "other" else ""
        yield f'<line class="{kind}{many}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{look}/>'
    if len(own) <= _MOST_LABELS:
        yield from _draw_labels(topology, points)


def _draw_labels(topology: Topology, points: Mapping[str, Point]) -> Iterator[str]:
    is_mixed = _is_mixed(topology)
    for link in topology.own_links().values():
        words = [describe_round_trip(link)] if describe_round_trip(link) else []
        if link.is_encrypted or (is_mixed and link.state is LinkState.ESTABLISHED):
            words.append("encrypted" if link.is_encrypted else "in clear")
        if words:
            (x1, y1), (x2, y2) = (points[end] for end in link.ends)
            # Nearer to the other end: around ours it is crowded.
            yield _text(x1 + 0.6 * (x2 - x1), y1 + 0.6 * (y2 - y1), " ".join(words), "trip")


def _draw_nodes(topology: Topology, points: Mapping[str, Point], centre: Point) -> Iterator[str]:
    labels = label_nodes(topology)
    for node in reversed(topology.nodes):
        x, y = points[node.name]
        look = "own" if node is topology.own else "lost" if node.hops is None else "host"
        title = f"<title>{escape(labels[node.name])} {escape(node.name)}</title>"
        if len(topology.nodes) > _MOST_BOXES:
            radius = 7 if node is topology.own else 4
            yield f'<circle class="{look}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>'
            yield _label_beside(x, y, labels[node.name], centre)
            continue
        half = 10 + 3.7 * width_of(labels[node.name])
        yield (
            f'<rect class="{look}" x="{x - half:.1f}" y="{y - 14:.1f}" width="{2 * half:.1f}"'
            f' height="28" rx="8">{title}</rect>'
        )
        yield _text(x, y + _HALF_LINE, labels[node.name], "name")


def _label_beside(x: float, y: float, label: str, centre: Point) -> str:
    """Outwards, turned so that names of neighbours on a circle do not meet."""
    angle = math.degrees(math.atan2(y - centre[1], x - centre[0]))
    anchor, shift = "start", 11
    if abs(angle) > 90:
        angle, anchor, shift = angle + 180, "end", -11
    return (
        f'<text class="beside" text-anchor="{anchor}" x="{shift}" y="3.5"'
        f' transform="translate({x:.1f} {y:.1f}) rotate({angle:.1f})">{escape(label)}</text>'
    )


def _foot(topology: Topology, length: int) -> Iterator[tuple[str, str]]:
    """What stands below: kinds of links with their meaning, then lines of at most `length` without kind."""
    used = {_kind(link) for link in topology.links}
    yield from ((kind, meaning) for kind, meaning in _LEGEND if kind in used)
    for one in topology.absent:
        text = f"not there: {clean(one.label)}  {clean(one.reason)}"
        yield from (("", line) for line in textwrap.wrap(text, length, subsequent_indent="      "))


def _draw_foot(rows: Iterable[tuple[str, str]], y: float) -> Iterator[str]:
    for kind, text in rows:
        if kind:
            yield f'<line class="{kind}" x1="20" y1="{y:.0f}" x2="54" y2="{y:.0f}"/>'
        indent = 5 * (len(text) - len(text.lstrip()))
        look = "small" if kind else "small lost-text"
        yield _text(60 if kind else 20 + indent, y + 4, text.lstrip(), look)
        y += _LINE


def _text(x: float, y: float, text: str, look: str) -> str:
    return f'<text class="{look}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
