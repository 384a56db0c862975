"""`weave status` as it is drawn for people: the mesh in letters or as a picture, and pages that renew."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn

from weave_cli.commands.status import list_sections
from weave_cli.errors import HostProblem, RouterProblem, WeaveError
from weave_cli.operations.survey import read_report, read_status, read_status_page
from weave_cli.output.live import is_terminal, page_width, watch
from weave_cli.output.text import show_raw
from weave_cli.settings import Settings, wants_ascii, wants_colour
from weave_cli.topology import Topology, read_topology

TOPOLOGY: Final = ("topology",)


def show_topology(settings: Settings, *, svg_file: str | None, wants_dot: bool) -> None:
    """On stdout, or into a file when a picture is wanted."""
    topology = read_topology(read_report(settings))
    if svg_file is not None:
        from weave_cli.output.topology_picture import draw_svg

        _write(svg_file, draw_svg(topology))
    if wants_dot:
        from weave_cli.output.topology_picture import draw_dot

        show_raw(draw_dot(topology))
    if svg_file is None and not wants_dot:
        show_raw(_draw(topology))


def watch_status(topics: Sequence[str], settings: Settings, *, every_s: float) -> None:
    """A page for as long as somebody looks; while the router is down it says so. Raises for unknown pages."""
    title = " ".join(("weave status", *topics))
    with _leaving_in_order():
        watch(_make_reader(tuple(topics), settings), title=title, every_s=every_s)


@contextmanager
def _leaving_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end it by an exception; afterwards they do what they did before."""
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _make_reader(topics: tuple[str, ...], settings: Settings) -> Callable[[], str]:
    def read() -> str:
        try:
            if topics == TOPOLOGY:
                return _draw(read_topology(read_report(settings)))
            return read_status_page(topics, settings).text if topics else _overview(settings)
        except RouterProblem as problem:
            return _words(problem)

    return read


def _overview(settings: Settings) -> str:
    found = read_status(settings)
    text = found.text if found.problem is None else _words(found.problem)
    return "\n".join([text.rstrip("\n"), *list_sections(found)])


def _words(problem: WeaveError) -> str:
    return "\n".join(line for line in (problem.message, problem.hint) if line)


def _draw(topology: Topology) -> str:
    from weave_cli.output.signs import choose_signs, coloured, plain
    from weave_cli.output.topology_text import draw_topology

    paint = coloured if is_terminal() and wants_colour() else plain
    signs = choose_signs(None if wants_ascii() else sys.stdout.encoding)
    lines = draw_topology(topology, width=page_width(), signs=signs, paint=paint)
    text = "\n".join([*lines, ""])
    # Nicknames may be in letters that this terminal does not have.
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)


def _write(path: str, picture: str) -> None:
    if path == "-":
        show_raw(picture)
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(picture)
    except OSError as problem:
        raise HostProblem(
            f"cannot write {path}: {problem.strerror}", hint="Name another file, or - for stdout."
        ) from problem


def _leave(number: int, _: object) -> NoReturn:
    """By way of the handlers that give the terminal back as it was."""
    raise SystemExit(128 + number)
