"""The table of how a full mesh of so many peers comes to be, whoever measured or simulated it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What it took from the first connection until every peer knew that all were established.

    Messages and octets (MB, a million each) are those of the mesh's TCP connections, in total; the
    processor's seconds are those of all peers together.
    """

    peers: int
    seconds: float
    messages: int
    megabytes: float
    cpu_seconds: float


def render_growth(lines: Sequence[Growth]) -> str:
    """The table; with per-link figures, since a full mesh of n peers has n (n - 1) / 2 links."""
    titles = ("peers", "seconds", "messages", "MB", "CPU s", "messages/link", "CPU ms/link")
    cells = [
        (
            str(line.peers),
            f"{line.seconds:.2f}",
            str(line.messages),
            f"{line.megabytes:.2f}",
            f"{line.cpu_seconds:.2f}",
            f"{line.messages / _links(line):.0f}",
            f"{line.cpu_seconds * 1000 / _links(line):.1f}",
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in (titles, *cells)) for column in range(len(titles))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (titles, *cells)
    )


def _links(line: Growth) -> int:
    return max(1, line.peers * (line.peers - 1) // 2)
