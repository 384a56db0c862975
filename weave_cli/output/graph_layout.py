"""Where the nodes of a graph go in a picture. Pure and without chance: the same graph, the same picture.

A graph in which nearly everybody is linked with everybody looks best on a circle. Others are arranged as if
links were springs and nodes pushed one another away (Fruchterman and Reingold, 1991), from the circle on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

Point = tuple[float, float]

#: Share of the possible links from which on a circle is drawn.
_DENSE: Final = 0.5
#: Steps times pairs of nodes: about a second of computing.
_WORK: Final = 1_000_000
_MOST_STEPS: Final = 400
_GRAVITY: Final = 0.04


def place_nodes(count: int, links: Iterable[tuple[int, int]]) -> list[Point]:
    """A point of the square from (0, 0) to (1, 1) for each of the nodes 0 to count - 1."""
    if count < 2:
        return [(0.5, 0.5)] * count
    pairs = sorted({(min(pair), max(pair)) for pair in links if pair[0] != pair[1]})
    circle = [_on_circle(place, count) for place in range(count)]
    if len(pairs) >= _DENSE * count * (count - 1) / 2:
        return circle
    return _stretched(_relaxed(_begin(count, pairs), pairs))


def _on_circle(place: int, count: int) -> Point:
    """The first one at the top, the others clockwise."""
    angle = 2 * math.pi * place / count - math.pi / 2
    return 0.5 + 0.5 * math.cos(angle), 0.5 + 0.5 * math.sin(angle)


def _begin(count: int, pairs: Sequence[tuple[int, int]]) -> list[Point]:
    """On the circle in the order of a walk along the links, so that chains do not have to untangle."""
    beside: list[list[int]] = [[] for _ in range(count)]
    for one, other in pairs:
        beside[one].append(other)
        beside[other].append(one)
    order: list[int] = []
    seen: set[int] = set()
    for start in sorted(range(count), key=lambda node: (len(beside[node]), node)):
        stack = [start]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                order.append(node)
                stack.extend(reversed(beside[node]))
    places = {node: place for place, node in enumerate(order)}
    return [_on_circle(places[node], count) for node in range(count)]


def _relaxed(points: list[Point], pairs: Sequence[tuple[int, int]]) -> list[Point]:
    count = len(points)
    ideal = math.sqrt(1 / count)
    steps = min(_MOST_STEPS, max(30, _WORK // (count * count)))
    at = [list(point) for point in points]
    for step in range(steps):
        push = [[_GRAVITY * (0.5 - x) / ideal, _GRAVITY * (0.5 - y) / ideal] for x, y in at]
        for one in range(count):
            x, y = at[one]
            for other in range(one):
                dx, dy = x - at[other][0], y - at[other][1]
                apart = ideal * ideal / max(dx * dx + dy * dy, 1e-9)
                push[one][0] += dx * apart
                push[one][1] += dy * apart
                push[other][0] -= dx * apart
                push[other][1] -= dy * apart
        for one, other in pairs:
            dx, dy = at[one][0] - at[other][0], at[one][1] - at[other][1]
            pull = math.hypot(dx, dy) / ideal
            push[one][0] -= dx * pull
            push[one][1] -= dy * pull
            push[other][0] += dx * pull
            push[other][1] += dy * pull
        reach = 0.15 * (1 - step / steps) + 0.002
        for point, (dx, dy) in zip(at, push, strict=True):
            length = math.hypot(dx, dy)
            if length > 0:
                point[0] += dx / length * min(length, reach)
                point[1] += dy / length * min(length, reach)
    return [(x, y) for x, y in at]


def _stretched(points: Sequence[Point]) -> list[Point]:
    """To fill the square in both directions; a straight line stays in the middle of it."""
    (left, top), (right, bottom) = (tuple(map(pick, zip(*points, strict=True))) for pick in (min, max))
    return [(_share(x, left, right), _share(y, top, bottom)) for x, y in points]


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high - low > 1e-6 else 0.5
