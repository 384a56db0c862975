"""Colour stands beside the words of a page, on a terminal that wants it; the words stay."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.fakes.router_http import FakeRouterApi, serving
from weave_cli.commands import tree
from weave_cli.output.painted import paint_page
from weave_cli.output.signs import plain

pytestmark = pytest.mark.unit

_CONNECTIONS = """\
-> 10.0.0.2:6783         established fastdp 7a:00:00:00:00:02(failed) mtu=1376
<- 10.0.0.3:40122        pending     sleeve 7a:00:00:00:00:03(host3)
-> 10.0.0.4:6783         failed      connection refused, retry: never
"""
_PEERS = """\
7a:00:00:00:00:01(host1)
   -> 10.0.0.2:6783         7a:00:00:00:00:02(host2)              established
"""
_SHARES = "7a:00:00:00:00:02(host2)               524288 IPs (50.0% of total) - unreachable!\n"


def _marked(text: str, meaning: str) -> str:
    return f"[{meaning} {text}]"


def test_only_states_are_painted() -> None:
    first, second, third = paint_page(_CONNECTIONS, _marked).splitlines()
    assert first.endswith("[good established] fastdp 7a:00:00:00:00:02(failed) mtu=1376")
    assert "[warn pending]" in second and "[bad failed]      connection refused" in third
    assert paint_page(_PEERS, _marked).endswith("[good established]\n")
    assert paint_page(_SHARES, _marked).endswith("[bad - unreachable!]\n")


@pytest.mark.parametrize("page", [_CONNECTIONS, _PEERS, _SHARES, "host2\n", ""])
def test_page_without_paint_is_as_it_was(page: str) -> None:
    assert paint_page(page, plain) == page


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouterApi]:
    with serving({"GET /status/connections": (200, _CONNECTIONS)}) as served:
        monkeypatch.setenv("WEAVE_HTTP_ADDR", served.address)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        yield served


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("is_terminal", "variables", "is_coloured"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_terminal: bool,
    variables: dict[str, str],
    is_coloured: bool,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    assert tree.run(["status", "connections"]) == 0
    output = capsys.readouterr()
    assert ("\x1b[32mestablished\x1b[0m" in output.out) == is_coloured
    assert is_coloured or output.out == _CONNECTIONS
