"""What the other hosts' routers tell of themselves, as far as it can be believed. Reads only."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.api.sync import RouterClient
from weave_cli.doctor.checks.peers import PeerFacts
from weave_cli.errors import RouterProblem, UsageProblem
from weave_cli.settings import Settings

_DEVICE: Final = re.compile(r"[\w.@:-]{1,15}", re.ASCII)


def read_peers(settings: Settings) -> Iterator[PeerFacts]:
    """Every peer; those of another kind of router tell nothing. Takes seconds where there are such."""
    try:
        answers = RouterClient(settings.http_address).inquire("facts")
    except RouterProblem:
        return
    for answer in answers:
        content: dict[str, Any] = answer["content"] or {}
        yield PeerFacts(
            name=answer["name"],
            nickname=answer["nickname"] or answer["name"],
            skew_s=_find_skew(content),
            overlaps=tuple(_parse_overlaps(content.get("overlappingRoutes"))),
            tells=answer["content"] is not None,
        )


def _find_skew(content: dict[str, Any]) -> float | None:
    skew_s = content.get("skewS")
    return float(skew_s) if isinstance(skew_s, int | float) and math.isfinite(skew_s) else None


def _parse_overlaps(told: Any) -> Iterator[tuple[Cidr, str]]:
    for one in told if isinstance(told, list) else ():
        match one:
            case {"route": str(route), "device": str(device)} if _DEVICE.fullmatch(device):
                try:
                    yield parse_cidr(route), device
                except UsageProblem:
                    continue
