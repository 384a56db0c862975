"""Helper containers that nobody started, as their maker was killed before; Docker removes all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from weave_cli.containers.client import Docker, translated
from weave_cli.containers.lifecycle import remove_container
from weave_cli.names import COMPONENT_LABEL

#: Seconds between making and starting one that are more than any engine takes.
_PATIENCE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class LostHelper:
    id: str
    name: str


def list_lost_helpers(client: Docker, now: float) -> list[LostHelper]:
    """Those made a while before `now` and never started; seconds since 1970 by the engine's clock."""
    with translated("list containers"):
        rows: list[dict[str, Any]] = client.api.containers(
            all=True, filters={"label": f"{COMPONENT_LABEL}=helper"}
        )
    return [
        LostHelper(id=row["Id"], name=row["Names"][0].removeprefix("/"))
        for row in rows
        if row["State"] == "created" and now - row["Created"] > _PATIENCE_S and row["Names"]
    ]


def remove_lost_helpers(client: Docker, now: float) -> None:
    """Take them away."""
    for one in list_lost_helpers(client, now):
        remove_container(client, one.id)
