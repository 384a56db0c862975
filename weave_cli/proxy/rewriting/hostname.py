"""Host names of containers from their names and labels (pure; specification plugin, section 9.5).

Patterns and replacements are those of Go's regular expressions (RE2 syntax), which differ from Python's in
how a few things are written, and in what an empty match beside another one means.
"""

from __future__ import annotations

import re
from typing import Final

from weave_cli.errors import UsageProblem

#: The kernel takes no longer names.
LONGEST: Final = 64

_CLASSES: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7F",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CLASS = re.compile(r"\[:(\^?)(\w+):\]")
#: What must not be taken apart: escapes, quoted texts; then what is written otherwise.
_TOKEN = re.compile(r"\\Q(?P<quoted>.*?)(?:\\E|\Z)|\\(?P<escaped>.)|(?P<named>\(\?<(?=[A-Za-z_]))", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))", re.ASCII)


class HostnameRule:
    """`--hostname-match` and `--hostname-replacement`."""

    def __init__(self, pattern: str, replacement: str) -> None:
        """Raises UsageProblem for a pattern that is none."""
        try:
            self._pattern = re.compile(_translate(pattern), re.ASCII)
        except (re.error, KeyError, OverflowError, RecursionError) as problem:
            raise UsageProblem(
                f"incorrect hostname match {pattern!r}: {problem}",
                hint="--hostname-match takes a regular expression such as '^aws-[0-9]+-(.*)$'.",
            ) from None
        self._replacement = replacement

    def apply(self, name: str) -> str:
        """The name with every match replaced; an empty match at the end of another one is none."""
        pieces: list[str] = []
        end = 0
        last_end = -1
        for match in self._pattern.finditer(name):
            if match.start() == match.end() == last_end:
                continue
            pieces += [name[end : match.start()], self._expand(match)]
            end = last_end = match.end()
        return "".join([*pieces, name[end:]])

    def _expand(self, match: re.Match[str]) -> str:
        """`$1`, `${1}`, `$name`, `${name}` and `$$`; what the pattern has not is empty."""

        def put_in(reference: re.Match[str]) -> str:
            if reference[1]:
                return "$"
            word = reference[2] or reference[3]
            try:
                return match[int(word) if word.isdigit() else word] or ""
            except IndexError:
                return ""

        return _REFERENCE.sub(put_in, self._replacement)


def _translate(pattern: str) -> str:
    """As Python writes it; raises KeyError for a class of characters that there is not."""

    def rewrite(token: re.Match[str]) -> str:
        if token["quoted"] is not None:
            return re.escape(token["quoted"])
        if token["named"]:
            return "(?P<"
        return {"z": r"\Z", "C": "."}.get(token["escaped"], token[0])

    def list_class(found: re.Match[str]) -> str:
        if found[1]:
            raise KeyError(f"{found[0]} is not known here")
        return _CLASSES[found[2]]

    return _CLASS.sub(list_class, _TOKEN.sub(rewrite, pattern))


def fits(name: str, domain: str) -> bool:
    """Whether a host name and its domain, without final dot, are short enough together."""
    return len(name) + 1 + len(domain) <= LONGEST
