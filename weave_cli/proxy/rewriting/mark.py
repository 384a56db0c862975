"""How a container shows that the waiting program stands before its own (pure): entrypoint and mount.

The program's path is the original's, so that containers that the original proxy made are known, too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from weave_cli.names import WAIT_PROGRAM, WAIT_VOLUME
from weave_cli.proxy.rewriting.documents import (
    Document,
    get_field,
    get_object,
    get_rows,
    get_text,
    get_texts,
    set_field,
)

#: Where the volume with the program is mounted; the second one when the user has something at the first.
DIRECTORIES: Final = ("/w", "/.weavewait")
_PROGRAMS: Final = tuple(f"{directory}/{WAIT_PROGRAM}" for directory in DIRECTORIES)


def is_waiting_word(word: str) -> bool:
    """Is that the waiting program's path?"""
    return word in _PROGRAMS


def has_mark(facts: Document) -> bool:
    """Does this container, as Docker tells of it, begin with the waiting program?"""
    entrypoint = get_texts(get_object(facts, "Config"), "Entrypoint")
    return bool(entrypoint and is_waiting_word(entrypoint[0]))


def has_mark_in_row(row: Document) -> bool:
    """The same of a line of `docker ps`."""
    return is_waiting_word(get_text(row, "Command").partition(" ")[0])


def choose_directory(host_config: Document, volumes: Collection[str]) -> str:
    """The first that the user mounts nothing at or below; the last one if there is none."""
    used = {*_list_targets(host_config), *volumes}
    for directory in DIRECTORIES[:-1]:
        if not any(target == directory or target.startswith(f"{directory}/") for target in used):
            return directory
    return DIRECTORIES[-1]


def add_mount(host_config: Document, directory: str) -> None:
    """The volume, read-only; what an earlier proxy put there goes."""
    binds = [
        bind
        for bind in get_texts(host_config, "Binds") or ()
        if not (bind.startswith(f"{WAIT_VOLUME}:") and _target_of(bind) in DIRECTORIES)
    ]
    # Without `nocopy` Docker would fill an empty volume with what the image has in that directory.
    set_field(host_config, "Binds", [*binds, f"{WAIT_VOLUME}:{directory}:ro,nocopy"])


def hide_mark(facts: Document) -> None:
    """Let the answer of `inspect` look as if nobody had put anything before the container's program."""
    config = get_object(facts, "Config")
    entrypoint = get_texts(config, "Entrypoint") or []
    if not (entrypoint and is_waiting_word(entrypoint[0])):
        return
    config["Entrypoint"] = entrypoint[1:] or None
    arguments = get_texts(facts, "Args") or []
    if is_waiting_word(get_text(facts, "Path")) and arguments:
        facts["Path"], facts["Args"] = arguments[0], arguments[1:]
    host_config = get_object(facts, "HostConfig")
    binds = get_texts(host_config, "Binds")
    if binds is not None:
        own = [bind for bind in binds if not bind.startswith(f"{WAIT_VOLUME}:")]
        host_config["Binds"] = own or None
    facts["Mounts"] = _without_ours(get_field(facts, "Mounts"))


def hide_mark_in_row(row: Document) -> None:
    """The same for a line of `docker ps`."""
    first, _, rest = get_text(row, "Command").partition(" ")
    if is_waiting_word(first):
        row["Command"] = rest
        if get_field(row, "Mounts") is not None:
            row["Mounts"] = _without_ours(row["Mounts"])


def _without_ours(mounts: Any) -> list[Any]:
    return [one for one in mounts or () if not (isinstance(one, dict) and one.get("Name") == WAIT_VOLUME)]


def _list_targets(host_config: Document) -> list[str]:
    """Where the user mounts something; of our own volume there is no word."""
    targets = [
        _target_of(bind)
        for bind in get_texts(host_config, "Binds") or ()
        if not bind.startswith(f"{WAIT_VOLUME}:")
    ]
    targets += [get_text(mount, "Target") for mount in get_rows(host_config, "Mounts")]
    return [target.rstrip("/") for target in (*targets, *get_object(host_config, "Tmpfs"))]


def _target_of(bind: str) -> str:
    """`[SOURCE:]TARGET[:MODE]`"""
    parts = bind.split(":")
    return parts[1] if len(parts) > 1 else parts[0]
