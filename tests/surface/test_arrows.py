"""Who may import whom: the floors of docs/architecture.md and the doors of foreign libraries, as data.

A new arrow is a visible line here. Imports inside functions and below TYPE_CHECKING count too.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import weave_cli

pytestmark = pytest.mark.surface

_ROOT = Path(weave_cli.__file__).parent

#: Floor of each room; the longest matching name counts. A file imports from its own floor or from lower ones.
FLOORS: Mapping[str, int] = {
    # ground
    "weave_cli": 0,
    # pure rooms: no I/O of any kind
    "weave_cli.containers.specs": 10,
    "weave_cli.containers.proxy_spec": 10,
    "weave_cli.containers.facts": 10,
    "weave_cli.containers.advice": 10,
    "weave_cli.containers.errand": 10,
    "weave_cli.containers.extra_options": 10,
    "weave_cli.api.endpoints": 10,
    "weave_cli.router.wire": 10,
    "weave_cli.router.mesh": 11,
    "weave_cli.router.ipam": 12,
    "weave_cli.router.nameserver": 12,
    "weave_cli.router.overlay": 12,
    "weave_cli.router.inquiry": 13,
    "weave_cli.router.networks": 12,
    "weave_cli.router.options": 13,
    # doors
    "weave_cli.host": 20,
    "weave_cli.containers": 20,
    "weave_cli.images": 20,
    "weave_cli.api": 20,
    # what commands do, and what several daemons do
    "weave_cli.operations": 30,
    "weave_cli.dead_owners": 30,
    # what may be wrong: judgements, which are pure, over facts, which know all doors
    "weave_cli.doctor.findings": 10,
    "weave_cli.doctor.checks": 11,
    "weave_cli.doctor.facts": 31,
    "weave_cli.doctor": 32,
    # trials with containers of our own
    "weave_cli.connectivity.hosts": 10,
    "weave_cli.connectivity.results": 10,
    "weave_cli.connectivity": 31,
    # programs
    "weave_cli.output": 40,
    "weave_cli.commands": 41,
    "weave_cli.__main__": 42,
    "weave_cli.plugin": 40,
    "weave_cli.proxy.exchange": 10,
    "weave_cli.proxy.options": 10,
    "weave_cli.proxy": 40,
    "weave_cli.router": 42,
    "weave_cli.router.http": 40,
    "weave_cli.router.runtime": 40,
    "weave_cli.router.sleeve": 40,
    "weave_cli.router.sleeve.messages": 12,
    "weave_cli.router.sleeve.message_codec": 12,
}

_COMMAND_LINE = ("weave_cli.commands", "weave_cli.output", "weave_cli.operations")
_ROUTER = ("weave_cli.router",)
_PLUGIN = ("weave_cli.plugin",)
_PROXY = ("weave_cli.proxy",)

#: Importer, imported, why not. On top of the floors.
BANS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "weave_cli.router",
        (*_COMMAND_LINE, *_PLUGIN, *_PROXY),
        "programs meet in Docker and in the HTTP API only",
    ),
    (
        "weave_cli.plugin",
        (*_COMMAND_LINE, *_ROUTER, *_PROXY),
        "programs meet in Docker and in the HTTP API only",
    ),
    ("weave_cli.commands", (*_ROUTER, *_PLUGIN, *_PROXY), "programs meet in Docker and in the HTTP API only"),
    (
        "weave_cli.proxy",
        ("weave_cli.commands", "weave_cli.output", *_ROUTER, *_PLUGIN),
        "programs meet in Docker and in the HTTP API only",
    ),
    ("weave_cli.router", ("weave_cli.containers", "weave_cli.images"), "the router does not use Docker"),
    (
        "weave_cli.host",
        ("weave_cli.containers", "weave_cli.images", "weave_cli.api"),
        "doors do not know each other",
    ),
    (
        "weave_cli.containers",
        ("weave_cli.host", "weave_cli.images", "weave_cli.api"),
        "doors do not know each other",
    ),
    (
        "weave_cli.api",
        ("weave_cli.host", "weave_cli.containers", "weave_cli.images"),
        "doors do not know each other",
    ),
    ("weave_cli.images", ("weave_cli.host", "weave_cli.api"), "doors do not know each other"),
    ("weave_cli.operations", ("weave_cli.output",), "operations never print"),
    ("weave_cli.connectivity", (*_ROUTER, *_PLUGIN), "programs meet in Docker and in the HTTP API only"),
    ("weave_cli.doctor", (*_ROUTER, *_PLUGIN), "programs meet in Docker and in the HTTP API only"),
    (
        "weave_cli.router.ipam",
        ("weave_cli.router.nameserver", "weave_cli.router.overlay"),
        "they ignore each other",
    ),
    (
        "weave_cli.router.nameserver",
        ("weave_cli.router.ipam", "weave_cli.router.overlay"),
        "they ignore each other",
    ),
    (
        "weave_cli.router.overlay",
        ("weave_cli.router.ipam", "weave_cli.router.nameserver"),
        "they ignore each other",
    ),
    ("weave_cli.router.runtime", ("weave_cli.router.http",), "the program puts them together"),
    ("weave_cli.router.http", ("weave_cli.router.runtime",), "it plays against roles"),
    (
        "weave_cli.router.sleeve",
        (
            "weave_cli.router.runtime",
            "weave_cli.router.http",
            "weave_cli.router.wire",
            "weave_cli.router.mesh",
        ),
        "a program of its own that starts fast; the runtime starts it",
    ),
)

#: Values that a banned room holds for everybody.
SHARED = ("weave_cli.containers.specs", "weave_cli.containers.proxy_spec", "weave_cli.api.endpoints")

#: Foreign or dangerous library -> the only rooms that may import it.
DOORS: Mapping[str, tuple[str, ...]] = {
    "docker": ("weave_cli.containers", "weave_cli.images.builder"),
    "requests": ("weave_cli.containers.client", "weave_cli.images.builder"),
    "pyroute2": ("weave_cli.host",),
    "subprocess": ("weave_cli.host.binaries", "weave_cli.containers.command"),
    "aiohttp": ("weave_cli.api.aio", "weave_cli.router.http", "weave_cli.plugin.server"),
    "dns": (
        "weave_cli.router.nameserver",
        "weave_cli.router.runtime",
    ),
    "prometheus_client": ("weave_cli.router.http.metrics",),
    "nacl": ("weave_cli.router.wire.session_keys", "weave_cli.router.overlay.sleeve_sealing"),
    "rich": ("weave_cli.output",),
    "click": ("weave_cli.commands",),
    "sqlite3": ("weave_cli.router.runtime.store", "weave_cli.plugin", "weave_cli.wal"),
}

#: Rooms without I/O: time is an argument, and so is chance.
PURE = (
    "weave_cli.router.wire",
    "weave_cli.router.mesh",
    "weave_cli.router.ipam",
    "weave_cli.router.nameserver",
    "weave_cli.router.overlay",
    "weave_cli.router.sleeve.messages",
    "weave_cli.router.inquiry",
    "weave_cli.containers.specs",
    "weave_cli.containers.proxy_spec",
    "weave_cli.containers.facts",
    "weave_cli.containers.advice",
    "weave_cli.containers.errand",
    "weave_cli.containers.extra_options",
    "weave_cli.api.endpoints",
    "weave_cli.proxy.exchange",
    "weave_cli.proxy.options",
    "weave_cli.proxy.rewriting.creation",
    "weave_cli.proxy.rewriting.documents",
    "weave_cli.proxy.rewriting.hostname",
    "weave_cli.proxy.rewriting.inspection",
    "weave_cli.proxy.rewriting.mark",
    "weave_cli.proxy.rewriting.membership",
    "weave_cli.proxy.rewriting.starting",
    "weave_cli.proxy.waiting.aarch64",
    "weave_cli.proxy.waiting.assembly",
    "weave_cli.proxy.waiting.executable",
    "weave_cli.proxy.waiting.program",
    "weave_cli.proxy.waiting.x86_64",
    "weave_cli.proxy.wording",
    "weave_cli.doctor.findings",
    "weave_cli.doctor.checks",
    "weave_cli.connectivity.hosts",
    "weave_cli.connectivity.results",
    "weave_cli.addresses",
    "weave_cli.names",
    "weave_cli.reports",
    "weave_cli.leaks",
    "weave_cli.report_states",
    "weave_cli.proxy_places",
    "weave_cli.error_codes",
    "weave_cli.topology",
    "weave_cli.durations",
    "weave_cli.output.signs",
    "weave_cli.output.graph_layout",
    "weave_cli.output.topology_text",
    "weave_cli.output.topology_picture",
)
_IMPURE = ("asyncio", "socket", "select", "selectors", "threading", "time", "os", "subprocess", "http", "ssl")


def test_imports_go_downstairs_only() -> None:
    wrong = [
        f"{importer} (floor {_floor(importer)}) imports {imported} (floor {_floor(imported)})"
        for importer, imported in _arrows()
        if imported.startswith("weave_cli") and _floor(imported) > _floor(importer)
    ]
    assert wrong == []


@pytest.mark.parametrize(("importer", "banned", "reason"), BANS, ids=lambda value: str(value)[:40])
def test_rooms_ignore_those_they_must_not_know(importer: str, banned: tuple[str, ...], reason: str) -> None:
    wrong = [
        f"{module} imports {imported}: {reason}"
        for module, imported in _arrows()
        if _is_in(module, importer)
        and any(_is_in(imported, room) for room in banned)
        and not _is_in(imported, importer)
        and imported not in SHARED
    ]
    assert wrong == []


@pytest.mark.parametrize("library", DOORS)
def test_foreign_library_stays_behind_its_door(library: str) -> None:
    rooms = DOORS[library]
    wrong = {
        module
        for module, imported in _arrows()
        if _is_in(imported, library) and not any(_is_in(module, room) for room in rooms)
    }
    assert wrong == set()


def test_pure_rooms_do_no_input_or_output() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, imported in _arrows()
        if any(_is_in(module, room) for room in PURE) and imported.partition(".")[0] in _IMPURE
    ]
    assert wrong == []


def test_pure_rooms_take_chance_as_an_argument() -> None:
    wrong = [
        f"{module}: random.{node.attr}"
        for module, tree in _trees()
        if any(_is_in(module, room) for room in PURE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
        if node.attr != "Random"
    ]
    assert wrong == []


def test_environment_is_read_by_settings_alone() -> None:
    readers = {
        module
        for module, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert readers == {"weave_cli.settings"}


def test_no_room_is_a_drawer_for_everything() -> None:
    names = {module.rpartition(".")[2] for module, _ in _trees()}
    assert names & {"utils", "helpers", "common", "misc", "manager", "core"} == set()


def test_every_table_names_rooms_that_exist() -> None:
    modules = {module for module, _ in _trees()}
    rooms = {*FLOORS, *PURE, *(room for _, banned, _ in BANS for room in banned)}
    assert {room for room in rooms if not any(_is_in(module, room) for module in modules)} == set()


def _floor(module: str) -> int:
    return FLOORS[max((room for room in FLOORS if _is_in(module, room)), key=len)]


def _is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


@cache
def _arrows() -> frozenset[tuple[str, str]]:
    """Importer and imported, as dotted names of modules; `from package import module` names the module."""
    known = {module for module, _ in _trees()}
    found: set[tuple[str, str]] = set()
    for module, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                found.update((module, name if name in known else node.module) for name in names)
    return frozenset(found)


@cache
def _trees() -> tuple[tuple[str, ast.Module], ...]:
    return tuple(
        (_module_name(path), ast.parse(path.read_text(), filename=str(path)))
        for path in sorted(_ROOT.rglob("*.py"))
    )


def _module_name(path: Path) -> str:
    parts = path.relative_to(_ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
