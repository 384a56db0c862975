"""The image that router, plugin and proxy run in: there, and made from this very installation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from weave_cli.doctor.findings import Finding, note, ok, warning
from weave_cli.names import PLUGIN_CONTAINER, PROXY_CONTAINER


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """outdated: containers of ours that run, made from another image than the one of that name now."""

    name: str
    state: Literal["missing", "stale", "current"]
    outdated: tuple[str, ...] = ()


def check_image(facts: ImageFacts) -> Iterator[Finding]:
    if facts.state == "current":
        yield ok("image.current", f"{facts.name} is of this installation")
    elif facts.state == "missing":
        yield note(
            "image.current", f"{facts.name} is not made yet; the next launch makes it", mend="weave setup"
        )
    else:
        yield warning(
            "image.current",
            f"{facts.name} was made from another installation",
            why="what was installed since is not in it; the next launch makes it anew, which takes a while",
            mend="weave setup",
        )
    for container in facts.outdated:
        component = {PLUGIN_CONTAINER: "plugin", PROXY_CONTAINER: "proxy"}.get(container, "router")
        yield warning(
            "image.in-use",
            f"container {container} runs an older image than {facts.name}",
            why="commands and daemons of different installations may not understand each other",
            mend=f"weave stop-{component}; weave launch-{component} (with the options of the last launch)",
        )
