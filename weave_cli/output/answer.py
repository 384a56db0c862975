"""A command's answer: words for people at once, or one JSON document for programs at the end.

Each run of a command has one Output; a command gets it with `commands.answers.get_output()`:

    output = get_output()
    output.tell("WARNING: ...")                  # stderr; as JSON: into "notices"
    output.show("a line")                        # stdout at once; nothing as JSON
    output.answer("Interfaces", {"interfaces": [...]}, text="7a:... 10.32.0.1/12\\n")

`text` is written as it is, and may be a function when drawing it costs something. A command that answers
nothing needs nothing of this: as JSON it says {"kind": "Done", "data": {"command": "stop"}}. What fails
raises a WeaveError with its code; what fails in part gives its answer, and then calls `fail`. As JSON:

    {
      "apiVersion": "weave/v1",
      "kind": "Interfaces",        what is in data; "Error" when data is null
      "data": {"interfaces": []},
      "error": null,               or {"code": "router-absent", "message": "...", "hint": "..." or null}
      "notices": [],               what people read on stderr although the command succeeds
      "noticeCodes": []            the kind of each, as of an error
    }

Exactly one such document is on stdout, also when the command fails; the exit status is the same as without
JSON. Data is made of dicts, lists, texts and numbers, with keysLikeThis. Each kind has its schema in
docs/output-v1.schema.json: additions are welcome, what is promised there never goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from weave_cli.error_codes import NoticeCode
from weave_cli.errors import WeaveError
from weave_cli.output import text as plain

API_VERSION: Final = "weave/v1"

#: The kind of a document without data.
ERROR_KIND: Final = "Error"
#: The kind for commands that only do something.
DONE_KIND: Final = "Done"

Data = Mapping[str, Any]


class Output:
    """Where a command's words go."""

    def __init__(self, *, is_json: bool = False) -> None:
        self.is_json = is_json
        self._kind = ERROR_KIND
        self._data: Data | None = None
        self._problem: WeaveError | None = None
        self._notices: list[tuple[str, NoticeCode]] = []

    @property
    def has_answer(self) -> bool:
        """Was something answered or said to have failed?"""
        return self._data is not None or self._problem is not None

    def show(self, line: str) -> None:
        """A line of the answer for people, at once."""
        if not self.is_json:
            plain.show(line)

    def tell(self, line: str, code: NoticeCode = NoticeCode.NOTE) -> None:
        """Something else that one should know; `code` is for programs."""
        if self.is_json:
            self._notices.append((line, code))
        else:
            plain.tell(line)

    def answer(self, kind: str, data: Data, *, text: str | Callable[[], str] = "") -> None:
        """The answer: `text` for people, exactly as it is; `data` of this kind for programs."""
        if self.is_json:
            self._kind, self._data = kind, data
        else:
            plain.show_raw(text if isinstance(text, str) else text())

    def fail(self, problem: WeaveError) -> None:
        """What went wrong, the first if there are several; an answer that was given stays."""
        self._problem = self._problem or problem
        if not self.is_json:
            plain.tell_problem(problem)

    def finish(self) -> None:
        """Write the document, if one is wanted and there is something to say."""
        if self.is_json and self.has_answer:
            plain.show(render_document(self._kind, self._data, self._problem, self._notices))


def render_document(
    kind: str, data: Data | None, problem: WeaveError | None, notices: Sequence[tuple[str, NoticeCode]]
) -> str:
    """The envelope as text; non-ASCII letters are escaped, so that it survives every locale."""
    import json  # only who asks for it pays for it

    document = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "data": data,
        "error": None if problem is None else describe_problem(problem),
        "notices": [text for text, _ in notices],
        "noticeCodes": [str(code) for _, code in notices],
    }
    return json.dumps(document, indent=2)


def describe_problem(problem: WeaveError) -> dict[str, str | None]:
    """An error as programs read it."""
    return {"code": str(problem.code), "message": problem.message, "hint": problem.hint}
