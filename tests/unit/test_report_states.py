"""What a report says in one word, and who is at the other end of a connection."""

from __future__ import annotations

import pytest

from weave_cli.report_states import find_remote

pytestmark = pytest.mark.unit

_NAME = "7a:00:00:00:00:01"


@pytest.mark.parametrize(
    ("info", "remote"),
    [
        (f"encrypted   vxlan  {_NAME}(host1)", (_NAME, "host1")),
        (f"unencrypted sleeve {_NAME}()", (_NAME, "")),
        (f"unencrypted vxlan  {_NAME}(a (b)\nc) \n)", (_NAME, "a (b)\nc) \n")),
        (f"unencrypted vxlan  {_NAME}({_NAME}(x))", (_NAME, f"{_NAME}(x)")),
        (f"unencrypted vxlan  {_NAME}(host1)\n", None),
        ("connect: connection refused, retry: 2026-01-01 00:00:00 (host1)", None),
        ("", None),
    ],
)
def test_who_is_at_the_other_end(info: str, remote: tuple[str, str] | None) -> None:
    assert find_remote(info) == remote
