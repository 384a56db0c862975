"""The kept inputs of each parser: one text file per parser, one input per line, in hex digits."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

_CORPUS: Final = Path(__file__).parent / "corpus"

PARSERS: Final = (
    "gob",
    "intro",
    "wire",
    "envelope",
    "topology",
    "addresses",
    "names",
    "dns",
    "heartbeat",
    "plugin",
    "sleeve",
    "carrier",
    "inquiry",
    "networks",
)


class Parser(Protocol):
    """What the module of a parser has."""

    def seeds(self) -> list[bytes]:
        """Octets to start from."""
        ...

    def check(self, data: bytes) -> None:
        """Raise when the parser does what it must not."""
        ...


def parser(name: str) -> Parser:
    return cast(Parser, import_module(f"tests.fuzz.{name}"))


def kept(name: str) -> list[bytes]:
    """The inputs that earlier runs found worth keeping."""
    path = _CORPUS / f"{name}.hex"
    return [bytes.fromhex(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(name: str, inputs: Iterable[bytes]) -> None:
    """Replace the kept inputs; the shortest come first."""
    lines = [one.hex() for one in sorted(set(inputs), key=lambda one: (len(one), one))]
    (_CORPUS / f"{name}.hex").write_text("".join(f"{line}\n" for line in lines))
