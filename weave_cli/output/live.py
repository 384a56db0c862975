"""A page that is shown again and again: in place on a terminal, one below the other elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from weave_cli.durations import format_duration
from weave_cli.output.text import show

if TYPE_CHECKING:
    from rich.text import Text

#: Columns of a page that goes into a file or a pipe, unless COLUMNS says otherwise.
_FILE_WIDTH = 100


def is_terminal() -> bool:
    """Can what is on stdout be replaced?"""
    return sys.stdout.isatty()


def page_width() -> int:
    """Columns of stdout."""
    return shutil.get_terminal_size((_FILE_WIDTH, 24)).columns


def watch(read: Callable[[], str], *, title: str, every_s: float) -> None:
    """Show what `read` answers, until Ctrl-C, which is the good end; what it raises ends it too.

    On a terminal, the page takes all of it, and the last one stays when it ends.
    """
    try:
        if is_terminal():
            _watch_in_place(read, title, every_s)
        else:
            while True:
                show(f"# {time.strftime('%Y-%m-%d %H:%M:%S')}")
                show(read().rstrip("\n"))
                sys.stdout.flush()
                time.sleep(every_s)
    except KeyboardInterrupt:
        pass


def _watch_in_place(read: Callable[[], str], title: str, every_s: float) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, markup=False, emoji=False)
    page = read()
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                head = f"{title}, every {format_duration(every_s)}, {time.strftime('%H:%M:%S')}. Ctrl-C ends."
                live.update(_fitted(head, page, console.size.height), refresh=True)
                time.sleep(every_s)
                page = read()
    finally:
        sys.stdout.write(page if page.endswith("\n") else f"{page}\n")
        sys.stdout.flush()


def _fitted(head: str, page: str, height: int) -> Text:
    """What there is room for, and how much more there is."""
    from rich.text import Text

    lines = page.strip("\n").splitlines()
    room = max(1, height - 2)
    if len(lines) > room:
        lines[room - 1 :] = [f"... {len(lines) - room + 1} more lines; Ctrl-C shows all of them"]
    text = Text.from_ansi("\n".join(lines))
    text.no_wrap = True
    text.overflow = "crop"
    return Text.assemble((head, "dim"), "\n\n", text, no_wrap=True, overflow="crop")
