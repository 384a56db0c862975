"""Host names from names and labels, by Go's regular expressions (checklist: 680)."""

from __future__ import annotations

import pytest

from weave_cli.errors import UsageProblem
from weave_cli.proxy.rewriting.hostname import HostnameRule, fits

_APP = r"^[^-]+-(?P<appname>[^-]*)-[^-]+$"


@pytest.mark.parametrize(
    ("pattern", "replacement", "name", "expected"),
    [
        ("(.*)", "$1", "web", "web"),  # the default
        ("(.*)", "$1", "", ""),
        (_APP, "$appname", "qiuds71y827hdi-seeone-1io9qd9i0wd", "seeone"),
        (_APP, "$appname", "doesnotmatchpattern", "doesnotmatchpattern"),
        (_APP, "${appname}x", "a-b-c", "bx"),
        (_APP, "$appnamex", "a-b-c", ""),  # the longest name counts
        ("^aws-[0-9]+-(.*)$", "my-$1", "aws-12798186823-foo", "my-foo"),
        ("(?<app>[a-z]+)-.*", "$app", "web-1", "web"),
        (r"a*", "x", "baac", "xbxcx"),  # an empty match at the end of another one is none
        (r"^([[:alpha:]]+)[[:digit:]]*\z", "$1", "web12", "web"),
        (r"\Qa.b\E(.)", "$1", "a.bc", "c"),
        (r"(.)(.)?", "[$2]$$", "a", "[]$"),
        (r"(a)|b", "<$1>", "ab", "<a><>"),
        ("web", r"\1$9", "web", r"\1"),
    ],
)
def test_680_a_name_is_replaced_as_go_does(pattern: str, replacement: str, name: str, expected: str) -> None:
    assert HostnameRule(pattern, replacement).apply(name) == expected


@pytest.mark.parametrize("pattern", ["(", "[[:nothing:]]", "a{2,1}", "*"])
def test_680_a_bad_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UsageProblem, match="incorrect hostname match"):
        HostnameRule(pattern, "$1")


def test_a_name_and_its_domain_have_64_letters_together() -> None:
    assert fits("x" * 52, "weave.local") and not fits("x" * 53, "weave.local")
