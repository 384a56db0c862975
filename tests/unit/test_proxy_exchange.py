"""The values that those who look after a call are given."""

from __future__ import annotations

import json

import pytest

from weave_cli.proxy.exchange import Headers, error_answer, join_headers, parse_target


@pytest.mark.parametrize(
    ("text", "version", "path", "query"),
    [
        ("/v1.41/containers/web/start?detachKeys=a", "1.41", "/containers/web/start", "detachKeys=a"),
        ("/containers/json", None, "/containers/json", ""),
        ("/v1.24/containers/create?name=", "1.24", "/containers/create", "name="),
        ("http://docker/v1.41/info", "1.41", "/info", ""),
        ("/v2/x", None, "/v2/x", ""),
        ("/v1.41", None, "/v1.41", ""),
        ("*", None, "*", ""),
    ],
)
def test_target_is_split(text: str, version: str | None, path: str, query: str) -> None:
    target = parse_target(text)

    assert (target.text, target.version, target.path, target.query) == (text, version, path, query)


def test_parameter_is_the_first_of_its_name() -> None:
    target = parse_target("/x?name=a%20b&name=c&empty=")

    assert target.parameter("name") == "a b"
    assert target.parameter("empty") == ""
    assert target.parameter("absent") is None


def test_headers_keep_order_and_case_and_are_found_in_any_case() -> None:
    headers = Headers((("Host", "docker"), ("X-A", "1"), ("x-a", "2")))

    assert headers.get("x-A") == "1"
    assert headers.get_all("X-a") == ["1", "2"]
    assert headers.without("X-A").lines == (("Host", "docker"),)
    assert headers.with_line("x-a", "3").lines == (("Host", "docker"), ("x-a", "3"))
    assert join_headers(headers.lines) == b"Host: docker\r\nX-A: 1\r\nx-a: 2\r\n"


def test_error_has_the_form_of_dockers() -> None:
    answer = error_answer(404, 'no "x"')

    assert answer.status == 404
    assert json.loads(answer.body) == {"message": 'no "x"'}
    assert answer.headers.get("content-type") == "application/json"
