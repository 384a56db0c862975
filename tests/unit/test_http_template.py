"""`report -f`: the part of Go's text/template that scripts use."""

import pytest

from weave_cli.router.http.template import TemplateRunError, render_template
from weave_cli.router.http.template_syntax import TemplateSyntaxError

DATA = {
    "Version": "2.8.1",
    "IPAM": None,
    "Router": {
        "Name": "7a:00:00:00:00:01",
        "Port": 6783,
        "Encryption": False,
        "Targets": ["a", "b:6783"],
        "Peers": [{"Name": "one", "UID": 18446744073709551615}, {"Name": "two", "UID": 2}],
    },
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Version}}", "2.8.1"),
        ("{{ .Version }}!", "2.8.1!"),
        ("{{.Router.Name}} {{json .Router.Targets}}", '7a:00:00:00:00:01 ["a","b:6783"]'),
        ("{{range .Router.Peers}}{{.Name}} {{.UID}}\n{{end}}", "one 18446744073709551615\ntwo 2\n"),
        ("{{range $i, $peer := .Router.Peers}}{{$i}}={{$peer.Name}};{{end}}", "0=one;1=two;"),
        ("{{range .IPAM}}x{{else}}none{{end}}", "none"),
        ("{{if .IPAM}}on{{else if .Router.Encryption}}sealed{{else}}plain{{end}}", "plain"),
        ("{{if and .Version (eq .Router.Port 6783)}}default{{end}}", "default"),
        ("{{with .Router}}{{.Port}} of {{$.Version}}{{end}}", "6783 of 2.8.1"),
        ("{{len .Router.Targets}} {{index .Router.Targets 1}}", "2 b:6783"),
        (
            '{{printf "%-6s|%5d|%v|%q" .Version .Router.Port .Router.Encryption "x"}}',
            '2.8.1 | 6783|false|"x"',
        ),
        ("{{.Router.Targets}} {{.IPAM}} {{.Router.Encryption}}", "[a b:6783] <nil> false"),
        ("a {{- /* silent */ -}} b", "ab"),
        ("a\n  {{- .Version -}}\n b", "a2.8.1b"),
        ("{{$n := .Router.Port}}{{$n}}", "6783"),
        ('{{$n := "x"}}{{range .Router.Targets}}{{$n = .}}{{end}}{{$n}}', "b:6783"),
        ("{{.Router.Targets | len | printf `%03d`}}", "002"),
        ("{{(index .Router.Peers 0).Name}}", "one"),
        ("{{not .IPAM}} {{or .IPAM .Version}}", "true 2.8.1"),
        ("{{printf `%d%%` 5}}", "5%"),
    ],
)
def test_template_renders_as_go_does(template: str, text: str) -> None:
    assert render_template(template, DATA) == text


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{", "unclosed action"),
        ("{{.Version", "unclosed action"),
        ("{{if .Version}}x", "unexpected EOF"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{}}", "missing value for command"),
        ("{{nosuch .Version}}", 'function "nosuch" not defined'),
        ("{{range .Router.Peers}}{{bad}}{{end}}", 'function "bad" not defined'),
        ("{{.Version .Version}}", "can't give argument to non-function"),
        ("{{(.Version}}", "unclosed action"),
        ("{{^}}", "unexpected '^' in action"),
    ],
)
def test_template_that_does_not_parse_says_why(template: str, reason: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="^" + reason.replace("(", r"\(").replace("^", r"\^")):
        render_template(template, DATA)


@pytest.mark.parametrize(
    "template", ["{{.Nope}}", "{{.Version.X}}", "{{index .Router.Targets 7}}", "{{$x}}", "{{len 3}}"]
)
def test_template_that_asks_for_what_is_not_there_fails(template: str) -> None:
    with pytest.raises(TemplateRunError):
        render_template(template, DATA)
