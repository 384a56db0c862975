"""Go's text/template syntax, the part that `weave report -f` needs: text in, a tree of nodes out. Pure.

Supported: field paths, variables, pipelines, parentheses, literals, comments, trim markers, and the actions
if / else if / else / range / with / end. Not supported: define, template, block, break, continue.
Source: the documentation of Go's package text/template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


class TemplateSyntaxError(Exception):
    """The template does not parse; the text names what is wrong, as Go does."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """`.A.B`, `$x.A` or `(pipeline).A`: a start (None = dot) and fields."""

    start: str | Pipeline | None
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; a lone operand has no function."""

    function: str | None
    arguments: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Calls whose result is the last argument of the next one, kept in variables when those are named."""

    variables: tuple[str, ...]
    calls: tuple[Call, ...]
    declares: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Print:
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Block:
    """if, with or range, with what to do for an empty value."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Operand = Literal | Path | Call
Node = Text | Print | Block

_ACTION: Final = re.compile(r"\{\{(?P<left>- )?(?P<body>.*?)(?P<right> -)?\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<number>[-+]?\d+(?:\.\d+)?)|(?P<declare>:=|=)
    |(?P<variable>\$\w*)|(?P<field>\.\w+)|(?P<dot>\.)|(?P<word>[A-Za-z_]\w*)|(?P<mark>[|(),])""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse_template(source: str) -> tuple[Node, ...]:
    """The nodes of a template; raises TemplateSyntaxError."""
    pieces = iter(_split(source))
    nodes, ended_by = _parse_list(pieces)
    if ended_by:
        raise TemplateSyntaxError(f"unexpected {{{{{ended_by[0].text}}}}}")
    return nodes


def _split(source: str) -> Iterator[str | list[_Token]]:
    """Texts and the tokens of actions, trim markers applied."""
    at, trim = 0, False
    for match in _ACTION.finditer(source):
        text = source[at : match.start()]
        text = text.lstrip() if trim else text
        yield text.rstrip() if match["left"] else text
        at, trim = match.end(), bool(match["right"])
        body = match["body"].strip()
        if not (body.startswith("/*") and body.endswith("*/")):
            yield _tokens(body)
    rest = source[at:]
    if "{{" in rest:
        raise TemplateSyntaxError("unclosed action")
    yield rest.lstrip() if trim else rest


def _tokens(body: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, spaced = 0, True
    while at < len(body):
        match = _TOKEN.match(body, at)
        if not match or not match.lastgroup:
            raise TemplateSyntaxError(f"unexpected {body[at]!r} in action")
        kind = match.lastgroup
        if kind == "field" and not spaced:
            kind = "subfield"  # belongs to the operand right before it
        if kind != "space":
            tokens.append(_Token(kind, match.group()))
        spaced = kind == "space" or match.group() in ("(", "|", ",")
        at = match.end()
    if not tokens:
        raise TemplateSyntaxError("missing value for command")
    return tokens


def _parse_list(pieces: Iterator[str | list[_Token]]) -> tuple[tuple[Node, ...], list[_Token]]:
    """Nodes up to `end` or `else`, and that action's tokens; none when the text itself ended."""
    nodes: list[Node] = []
    for piece in pieces:
        if isinstance(piece, str):
            if piece:
                nodes.append(Text(piece))
            continue
        word = piece[0].text
        if word in ("if", "with", "range"):
            nodes.append(_parse_block(word, piece[1:], pieces))
        elif word in ("end", "else"):
            return tuple(nodes), piece
        else:
            nodes.append(Print(_Reader(piece).pipeline()))
    return tuple(nodes), []


def _parse_block(kind: str, tokens: list[_Token], pieces: Iterator[str | list[_Token]]) -> Block:
    pipeline = _Reader(tokens).pipeline()
    body, ended_by = _parse_list(pieces)
    otherwise: tuple[Node, ...] = ()
    words = [token.text for token in ended_by]
    if words[:2] == ["else", "if"]:
        # `else if` is an if inside the else that shares its end.
        return Block(kind, pipeline, body, (_parse_block("if", ended_by[2:], pieces),))
    if words == ["else"]:
        otherwise, ended_by = _parse_list(pieces)
        words = [token.text for token in ended_by]
    if words != ["end"]:
        raise TemplateSyntaxError("unexpected EOF")
    return Block(kind, pipeline, body, otherwise)


class _Reader:
    """Reads one pipeline from the tokens of an action."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def pipeline(self) -> Pipeline:
        pipeline = self._pipeline()
        if token := self._peek():
            raise TemplateSyntaxError(f"unexpected {token.text!r} in command")
        return pipeline

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, text: str | None = None) -> _Token:
        token = self._peek()
        if token is None or (text is not None and token.text != text):
            raise TemplateSyntaxError(
                "unclosed action" if token is None else f"unexpected {token.text!r} in command"
            )
        self._at += 1
        return token

    def _pipeline(self) -> Pipeline:
        variables, declares = self._variables()
        calls = [self._call()]
        while (token := self._peek()) and token.text == "|":
            self._take()
            calls.append(self._call())
        return Pipeline(variables, tuple(calls), declares)

    def _variables(self) -> tuple[tuple[str, ...], bool]:
        """`$x :=`, `$x =` or `$i, $x :=` in front of a pipeline."""
        kinds = [(token.kind, token.text) for token in self._tokens[self._at : self._at + 4]]
        shapes = [kind if kind != "mark" else text for kind, text in kinds]
        for length, shape in ((1, ["variable", "declare"]), (3, ["variable", ",", "variable", "declare"])):
            if shapes[: len(shape)] == shape:
                names = tuple(text for kind, text in kinds[:length] if kind == "variable")
                self._at += len(shape)
                return names, kinds[length][1] == ":="
        return (), True

    def _call(self) -> Call:
        first = self._peek()
        function = None
        if first and first.kind == "word" and first.text not in ("true", "false", "nil"):
            function = self._take().text
        arguments = []
        while (token := self._peek()) and token.text not in ("|", ")"):
            arguments.append(self._operand())
        if function is None and len(arguments) != 1:
            raise TemplateSyntaxError(
                "missing value for command" if not arguments else "can't give argument to non-function"
            )
        return Call(function, tuple(arguments))

    def _operand(self) -> Operand:
        token = self._take()
        match token.kind:
            case "string":
                return Literal(token.text[1:-1] if token.text[0] == "`" else json.loads(token.text))
            case "number":
                return Literal(float(token.text) if "." in token.text else int(token.text))
            case "field":
                return Path(None, (token.text[1:], *self._subfields()))
            case "dot":
                return Path(None, ())
            case "variable":
                return Path(token.text, self._subfields())
            case "word" if token.text in ("true", "false", "nil"):
                return Literal({"true": True, "false": False, "nil": None}[token.text])
            case "word":
                return Call(token.text, ())
        if token.text == "(":
            inner = self._pipeline()
            self._take(")")
            return Path(inner, self._subfields())
        raise TemplateSyntaxError(f"unexpected {token.text!r} in operand")

    def _subfields(self) -> tuple[str, ...]:
        fields = []
        while (token := self._peek()) and token.kind == "subfield":
            fields.append(self._take().text[1:])
        return tuple(fields)
