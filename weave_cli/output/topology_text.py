"""The mesh for a terminal: a tree of what this host is connected with, then who is connected with whom.

Whatever the number of hosts, it says first what is wrong; what is alike is put together. Pure: the width, the
signs and the colours are arguments.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from weave_cli.output.signs import Paint, Signs, clean, fit, width_of
from weave_cli.topology import Link, LinkState, Node, Topology, missing_links, natural

#: More neighbours of one kind than this, with nothing to remark, share lines.
_FEW: Final = 8
_LONGEST_LABEL: Final = 20
#: Hosts; of more, a list tells more than a wall of marks.
_LARGEST_TABLE: Final = 40
_NARROW_CELL: Final = 24
_NARROWEST: Final = 30


def draw_topology(topology: Topology, *, width: int, signs: Signs, paint: Paint) -> list[str]:
    """Lines of at most `width` columns, but for names and addresses that are longer."""
    drawing = _Drawing(topology, max(width, _NARROWEST), signs, paint)
    return list(drawing.lines())


def label_nodes(topology: Topology) -> Mapping[str, str]:
    """What each node is called, by its name: the nickname, with the name if several have it."""
    shared = Counter(node.nickname for node in topology.nodes)
    return {
        node.name: clean(
            node.nickname if node.nickname and shared[node.nickname] == 1 else f"{node.nickname}({node.name})"
        )
        for node in topology.nodes
    }


def describe_link(link: Link, *, is_mixed: bool) -> str:
    """Overlay and encryption in a few words; `is_mixed`: say also of frames that they go in clear."""
    if link.state is LinkState.PENDING:
        return "pending"
    words = [link.overlay or "none"]
    if link.is_encrypted:
        words.append("encrypted")
    elif is_mixed:
        words.append("in clear")
    return " ".join(words)


def describe_round_trip(link: Link) -> str:
    """Empty when it is not known."""
    return "" if link.round_trip_ms is None else f"{_milliseconds(link.round_trip_ms)} ms"


def _milliseconds(value: float) -> str:
    """Three digits are enough to compare."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


class _Drawing:
    def __init__(self, topology: Topology, width: int, signs: Signs, paint: Paint) -> None:
        self._topology = topology
        self._width = width
        self._signs = signs
        self._paint = paint
        self._labels = label_nodes(topology)
        self._own_links = topology.own_links()
        self._is_mixed = any(link.is_encrypted for link in self._own_links.values())
        self._behind: dict[str, list[Node]] = {}
        for node in topology.nodes:
            if node.via is not None and node.name not in self._own_links:
                self._behind.setdefault(node.via, []).append(node)

    def lines(self) -> Iterator[str]:
        yield from self._sentence(self._headline())
        yield ""
        yield from self._tree()
        if len(self._topology.nodes) > 2:
            yield ""
            yield from self._everybody()
        if self._topology.absent:
            yield ""
            yield from self._absent()

    def _sentence(self, text: str) -> list[str]:
        return textwrap.wrap(text, self._width)

    def _headline(self) -> str:
        topology = self._topology
        count = len(topology.nodes)
        if count == 1:
            return f"{self._labels[topology.own.name]} is alone."
        parts = [f"{topology.count(LinkState.ESTABLISHED)} of {topology.most_links} links are there"]
        parts += (
            f"{number} {state.value}"
            for state in (LinkState.ONE_SIDED, LinkState.PENDING)
            if (number := topology.count(state))
        )
        cut_off = sum(node.hops is None for node in topology.nodes)
        if cut_off:
            parts.append(f"{cut_off} hosts cannot be reached")
        if topology.absent:
            parts.append(f"{len(topology.absent)} not there")
        return f"{count} hosts as {self._labels[topology.own.name]} sees them: {', '.join(parts)}."

    def _tree(self) -> Iterator[str]:
        own = self._topology.own
        yield f"{self._paint(self._labels[own.name], 'strong')} {self._paint(f'({own.name})', 'dim')}"
        singles, groups = self._sorted_neighbours()
        unreached = [
            node for node in self._topology.nodes if node.hops is None and node.name not in self._own_links
        ]
        rest = len(singles) + len(groups) + len(unreached)
        width = max((width_of(self._labels[link.ends[1]]) for link in singles), default=0)
        for link in singles:
            rest -= 1
            yield from self._neighbour(link, width, is_last=not rest)
        for kind, links in groups.items():
            rest -= 1
            yield from self._group(kind, links, is_last=not rest)
        for node in unreached:
            rest -= 1
            branch = self._signs.last if not rest else self._signs.fork
            yield f"{branch}{self._labels[node.name]}  {self._paint('cannot be reached', 'bad')}"

    def _sorted_neighbours(self) -> tuple[list[Link], dict[tuple[str, ...], list[Link]]]:
        """Those with lines of their own, the troubled first; and those of a kind that are many.

        The kind is what is told of a link, its remarks included: where a whole network has no VXLAN, that is
        said once.
        """
        by_kind: dict[tuple[str, ...], list[Link]] = {}
        for link in sorted(self._own_links.values(), key=lambda link: natural(self._labels[link.ends[1]])):
            own = link.ends[1] if link.ends[1] in self._behind else ""
            remarks = (remark.replace(self._labels[link.ends[1]], "them") for remark in self._remarks(link))
            by_kind.setdefault((self._describe(link), *remarks, own), []).append(link)
        groups = {kind[:-1]: links for kind, links in by_kind.items() if len(links) > _FEW}
        singles = [link for links in by_kind.values() if len(links) <= _FEW for link in links]
        singles.sort(key=self._is_fine)
        return singles, groups

    def _neighbour(self, link: Link, width: int, *, is_last: bool) -> Iterator[str]:
        branch, trunk = (
            (self._signs.last, "   ")
            if is_last
            else (self._signs.fork, self._paint(self._signs.trunk, "dim"))
        )
        kind = self._describe(link)
        columns = [
            fit(self._labels[link.ends[1]], width),
            self._paint(f"{kind:<{self._kind_width}}", "good" if self._is_fine(link) else "warn"),
            f"{describe_round_trip(link):>8}",
        ]
        used = 3 + width + self._kind_width + 8 + 4
        if used + 2 + len(link.address) <= self._width:
            columns.append(link.address)
        yield f"{self._paint(branch, 'dim')}{'  '.join(columns)}".rstrip()
        yield from self._wrapped(self._remarks(link), trunk)
        behind = self._behind.get(link.ends[1], [])
        for node in behind:
            inner = self._signs.last if node is behind[-1] else self._signs.fork
            hops = f"{node.hops} hops" if node.hops else "cannot be reached"
            yield f"{trunk}{self._paint(inner, 'dim')}{self._labels[node.name]}  {hops}"

    @property
    def _kind_width(self) -> int:
        return max(
            (len(self._describe(link)) for link in self._own_links.values()),
            default=0,
        )

    def _describe(self, link: Link) -> str:
        return describe_link(link, is_mixed=self._is_mixed)

    def _is_fine(self, link: Link) -> bool:
        return link.state is LinkState.ESTABLISHED and not link.trouble and not link.path_mtu

    def _remarks(self, link: Link) -> Iterator[str]:
        if link.state is LinkState.ONE_SIDED:
            yield "only one end says so far that the link is there"
        if link.path_mtu:
            narrow = link.path_mtu if isinstance(link.path_mtu, int) else "less"
            yield f"the path carries {narrow} octets, the network's MTU is {link.mtu}"
        if link.trouble:
            yield clean(link.trouble)

    def _wrapped(self, remarks: Iterable[str], trunk: str) -> Iterator[str]:
        for remark in remarks:
            for line in textwrap.wrap(f"{self._signs.trouble} {remark}", self._width - 6):
                yield f"{trunk}   {self._paint(line, 'warn')}"

    def _group(self, kind: tuple[str, ...], links: Sequence[Link], *, is_last: bool) -> Iterator[str]:
        branch, trunk = (
            (self._signs.last, "   ")
            if is_last
            else (self._signs.fork, self._paint(self._signs.trunk, "dim"))
        )
        trips = [link.round_trip_ms for link in links if link.round_trip_ms is not None]
        span = f", {_milliseconds(min(trips))} to {_milliseconds(max(trips))} ms" if trips else ""
        if len(f"{len(links)} hosts by {kind[0]}{span}:") + 3 > self._width:
            span = ""
        words = self._paint(kind[0], "good" if len(kind) == 1 else "warn")
        yield f"{self._paint(branch, 'dim')}{len(links)} hosts by {words}{span}:"
        yield from self._wrapped(kind[1:], trunk)
        cells = [(self._labels[link.ends[1]], describe_round_trip(link)) for link in links]
        name_width = max(width_of(name) for name, _ in cells)
        for line in _in_columns(
            [f"{fit(name, name_width)} {trip:>8}" for name, trip in cells], self._width - 6
        ):
            yield f"{trunk}   {line}"

    def _everybody(self) -> Iterator[str]:
        """A table if it tells something and has room; else the links that are missing, or those there."""
        missing = list(missing_links(self._topology))
        if not missing:
            yield from self._sentence("Everybody is linked with everybody.")
            return
        count = len(self._topology.nodes)
        labels = [fit(label, min(width_of(label), _LONGEST_LABEL)) for label in self._labels.values()]
        label_width = max(map(width_of, labels))
        digits = len(str(count))
        for gap in (" ", ""):
            needed = label_width + 1 + digits + 1 + (1 + len(gap)) * count
            if count <= _LARGEST_TABLE and needed <= self._width:
                yield from self._matrix(labels, label_width, digits, gap)
                return
        if len(missing) <= self._topology.count(LinkState.ESTABLISHED):
            yield from self._sentence("Everybody is linked with everybody, but for these:")
            yield from self._adjacency(missing)
        else:
            yield "Who is linked with whom:"
            yield from self._adjacency(
                [link.ends for link in self._topology.links if link.state is LinkState.ESTABLISHED]
            )

    def _matrix(self, labels: Sequence[str], label_width: int, digits: int, gap: str) -> Iterator[str]:
        signs, nodes = self._signs, self._topology.nodes
        marks = {
            frozenset(link.ends): (
                (signs.yes, "good") if link.state is LinkState.ESTABLISHED else (signs.half, "warn")
            )
            for link in self._topology.links
        }
        margin = " " * (label_width + 1)
        for digit in range(digits):
            numbers = (f"{number:>{digits}}"[digit] for number in range(1, len(nodes) + 1))
            yield (margin + " " * (digits + 1) + gap.join(numbers)).rstrip()
        for number, (node, label) in enumerate(zip(nodes, labels, strict=True), 1):
            cells = []
            for other in nodes:
                if other is node:
                    cells.append(self._paint(signs.itself, "dim"))
                    continue
                sign, meaning = marks.get(frozenset((node.name, other.name)), (signs.no, "dim"))
                cells.append(self._paint(sign, meaning))
            yield f"{fit(label, label_width)} {number:>{digits}} {gap.join(cells)}"
        used = [f"{signs.yes} link"]
        if any(sign == signs.half for sign, _ in marks.values()):
            used.append(f"{signs.half} pending, or one end only")
        used.append(f"{signs.no} none")
        yield f"{margin}{'   '.join(used)}"

    def _adjacency(self, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
        """Each pair once, with whoever has more of them."""
        beside: dict[str, set[str]] = {node.name: set() for node in self._topology.nodes}
        for one, other in pairs:
            beside[one].add(other)
            beside[other].add(one)
        order = {node.name: place for place, node in enumerate(self._topology.nodes)}
        rows: list[tuple[str, str]] = []
        for name in sorted(beside, key=lambda name: (-len(beside[name]), order[name])):
            others = sorted(beside[name], key=order.__getitem__)
            for other in others:
                beside[other].discard(name)
            if others:
                text = ", ".join(self._labels[other] for other in others)
                rows.append((f"{self._labels[name]} - ", text))
        if all(width_of(head + text) <= _NARROW_CELL for head, text in rows):
            cells = [head + text for head, text in rows]
            yield from (f"  {line}" for line in _in_columns(cells, self._width - 2))
            return
        for head, text in rows:
            indent = " " * min(len(head) + 2, 12)
            yield from textwrap.wrap(text, self._width, initial_indent=f"  {head}", subsequent_indent=indent)

    def _absent(self) -> Iterator[str]:
        yield "Not there:"
        for one in self._topology.absent:
            yield from textwrap.wrap(
                f"{self._signs.trouble} {clean(one.label)}  {clean(one.reason)}",
                self._width,
                initial_indent="  ",
                subsequent_indent="      ",
            )


def _in_columns(cells: Sequence[str], width: int) -> Iterator[str]:
    """Filled downwards, as `ls` does."""
    cell_width = max(width_of(cell) for cell in cells)
    count = max(1, (width + 3) // (cell_width + 3))
    rows = -(-len(cells) // count)
    for row in range(rows):
        yield "   ".join(fit(cell, cell_width) for cell in cells[row::rows]).rstrip()
