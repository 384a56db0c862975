"""Runs a Go text/template over a report, for `weave report -f` (specification http-api, section 6). Pure.

Functions: and, or, not, eq, ne, lt, le, gt, ge, len, index, print, println, printf, and weave's own `json`.
Values print as Go's %v prints them. See template_syntax for what of the language is understood.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from weave_cli.router.http.template_syntax import (
    Block,
    Call,
    Literal,
    Node,
    Operand,
    Path,
    Pipeline,
    Print,
    TemplateSyntaxError,
    Text,
    parse_template,
)


class TemplateRunError(Exception):
    """The template asked for something that is not there."""


def render_template(source: str, data: Mapping[str, Any]) -> str:
    """The text of a template over data; raises TemplateSyntaxError or TemplateRunError."""
    nodes = parse_template(source)
    _check_functions(nodes)
    return _Run(data).text(nodes)


def format_value(value: Any) -> str:
    """A value as Go's %v shows it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "map[" + " ".join(f"{key}:{format_value(value[key])}" for key in sorted(value)) + "]"
        case list() | tuple():
            return "[" + " ".join(format_value(item) for item in value) + "]"
        case _:
            return str(value)


def _printf(form: str, *values: Any) -> str:
    """Go's verbs v, s, d, q, t, x with flags and widths, by way of Python's own."""
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        flags, verb = match.groups()
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        value = rest.pop(0)
        if verb in "dxX" and isinstance(value, int):
            return str(f"%{flags}{verb}" % value)
        text = json.dumps(value) if verb == "q" else format_value(value)
        return str(f"%{flags.replace('0', '', 1) if flags.startswith('0') else flags}s" % text)

    return re.sub(r"%([-+# 0]*\d*(?:\.\d+)?)([vsdqtxX%])", one, form)


def _compact_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value[key]
    return value


def _length(value: Any) -> int:
    return len(value) if value is not None else 0


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "not": operator.not_,
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "len": _length,
    "index": _index,
    "json": _compact_json,
    "print": lambda *values: "".join(format_value(value) for value in values),
    "println": lambda *values: " ".join(format_value(value) for value in values) + "\n",
    "printf": _printf,
}


def _check_functions(nodes: Iterable[Node]) -> None:
    """Go refuses an unknown function when it parses, not when it runs."""
    for node in nodes:
        if isinstance(node, Text):
            continue
        _check_calls(node.pipeline)
        if isinstance(node, Block):
            _check_functions((*node.body, *node.otherwise))


def _check_calls(pipeline: Pipeline) -> None:
    for call in pipeline.calls:
        if call.function is not None and call.function not in _FUNCTIONS:
            raise TemplateSyntaxError(f'function "{call.function}" not defined')
        for argument in call.arguments:
            if isinstance(argument, Call):
                _check_calls(Pipeline((), (argument,)))
            elif isinstance(argument, Path) and isinstance(argument.start, Pipeline):
                _check_calls(argument.start)


class _Run:
    """One execution: the variables and the places where they hold."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._scopes: list[dict[str, Any]] = [{"$": data}]
        self._dot: Any = data

    def text(self, nodes: Iterable[Node]) -> str:
        return "".join(self._node(node) for node in nodes)

    def _node(self, node: Node) -> str:
        match node:
            case Text():
                return node.text
            case Print():
                value = self._pipeline(node.pipeline)
                return "" if node.pipeline.variables else format_value(value)
            case Block(kind="range"):
                return self._range(node)
            case Block():
                return self._conditional(node)

    def _conditional(self, node: Block) -> str:
        outer = self._dot
        self._scopes.append({})
        value = self._pipeline(node.pipeline)
        if value and node.kind == "with":
            self._dot = value
        text = self.text(node.body if value else node.otherwise)
        self._scopes.pop()
        self._dot = outer
        return text

    def _range(self, node: Block) -> str:
        values = self._pipeline(node.pipeline, keep=False)
        items = sorted(values.items()) if isinstance(values, Mapping) else list(enumerate(values or ()))
        if not items:
            return self.text(node.otherwise)
        outer, names, parts = self._dot, node.pipeline.variables, []
        for key, item in items:
            self._scopes.append(dict(zip(names, (key, item) if len(names) == 2 else (item,), strict=False)))
            self._dot = item
            parts.append(self.text(node.body))
            self._scopes.pop()
        self._dot = outer
        return "".join(parts)

    def _pipeline(self, pipeline: Pipeline, *, keep: bool = True) -> Any:
        value = self._call(pipeline.calls[0])
        for call in pipeline.calls[1:]:
            value = self._call(call, value)
        if keep and pipeline.variables:
            name = pipeline.variables[0]
            (self._scopes[-1] if pipeline.declares else self._scope_of(name))[name] = value
        return value

    def _call(self, call: Call, *piped: Any) -> Any:
        arguments = [*(self._operand(argument) for argument in call.arguments), *piped]
        if call.function is None:
            if piped:
                raise TemplateRunError("can't give argument to non-function")
            return arguments[0]
        try:
            return _FUNCTIONS[call.function](*arguments)
        except (TypeError, KeyError, IndexError) as problem:
            raise TemplateRunError(f"error calling {call.function}: {problem}") from problem

    def _operand(self, operand: Operand) -> Any:
        match operand:
            case Literal():
                return operand.value
            case Call():
                return self._call(operand)
            case Path():
                return self._path(operand)

    def _path(self, path: Path) -> Any:
        match path.start:
            case None:
                value = self._dot
            case str():
                value = self._scope_of(path.start)[path.start]
            case Pipeline():
                value = self._pipeline(path.start)
        for field in path.fields:
            if not isinstance(value, Mapping) or field not in value:
                raise TemplateRunError(f"can't evaluate field {field}")
            value = value[field]
        return value

    def _scope_of(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = next(
            (scope for scope in reversed(self._scopes) if name in scope), None
        )
        if found is None:
            raise TemplateRunError(f'undefined variable "{name}"')
        return found
