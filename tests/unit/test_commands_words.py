"""Words in, words and exit status out: usage, options, errors, the pages of status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.router_http import FakeRouterApi
from weave_cli.addresses import parse_cidr
from weave_cli.api.sync import RouterUnreachable
from weave_cli.commands import launch, tree
from weave_cli.containers.proxy_spec import ProxyOptions
from weave_cli.containers.specs import PluginOptions, RouterOptions
from weave_cli.errors import RouterProblem
from weave_cli.operations import asking, plumbing, survey
from weave_cli.operations import launch as operation
from weave_cli.operations import launched as operation_launched
from weave_cli.operations.survey import Attachment
from weave_cli.settings import Settings, read_settings

pytestmark = pytest.mark.unit

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "words", [["help"], ["--help"], ["launch", "--help"], ["dns-args", "--help"], ["help", "ps"]]
)
def test_help_is_usage_on_stderr_with_status_0(words: Sequence[str], capsys: Output) -> None:
    assert tree.run(words) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("Usage: weave")


def test_no_command_is_usage_with_status_1(capsys: Output) -> None:
    assert tree.run([]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err.partition(" ")[0]) == ("", "Usage:")


def test_unknown_command_is_named_before_the_usage(capsys: Output) -> None:
    assert tree.run(["lunch"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("unknown command: lunch\nUsage: weave")


def test_completion_behind_an_unknown_command_is_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("_WEAVE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "weave lunch ")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit) as caught:
        tree.run([])
    assert caught.value.code == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["launch", "--trusted-subnets", "10.0.0.0"], "--trusted-subnets"),
        (["launch", "--min-protocol-version=3"], "--min-protocol-version"),
        (["launch", "--ipalloc-range", "10.3.4.5/8"], "10.3.4.5/8"),
        (["launch", "--name", "host1"], "host1"),
        (["launch", "--log-level", "loud"], "loud"),
        (["launch", "--ipalloc-init", "seed"], "seed mode requires peer name list"),
        (["launch", "--ipalloc-init=observer", "--init-peer-count=3"], "exclude each other"),
        (["launch-plugin", "host1"], "host1"),
        (["launch-router", "--no-multicast-route"], "--no-multicast-route"),
        (["connect"], "at least one peer"),
        (["forget"], "PEER"),
        (["rmpeer"], "PEER"),
        (["version", "x"], "x"),
        (["stop", "now"], "now"),
        (["dns-lookup"], "NAME"),
        (["help", "lunch"], "lunch"),
        (["attach"], "which container?"),
        (["attach", "10.2.1.1/24", "box", "other"], "box other"),
        (["detach", "net:default"], "which container?"),
        (["run", "10.2.1.1/24"], "which image?"),
        (["start"], "which container?"),
        (["restart"], "CONTAINER"),
        (["restart", "box", "other"], "other"),
        (["expose", "box"], "box"),
        (["hide", "10.2.1.1"], "10.2.1.1"),
        (["dns-add"], "needs a container"),
        (["dns-add", "10.2.1.1"], "needs a container"),
        (["dns-remove", "-h", "box.weave.local"], "needs a container"),
        (["prime", "now"], "now"),
    ],
)
def test_wrong_words_are_named_with_status_1(words: Sequence[str], named: str, capsys: Output) -> None:
    assert tree.run(words) == 1
    output = capsys.readouterr()
    assert output.out == ""
    first, *rest = output.err.splitlines()
    assert named in first
    assert rest or named in ("10.3.4.5/8",)


class Launched:
    """What the operation was given instead of launching."""

    router: RouterOptions
    plugin: PluginOptions
    proxy: ProxyOptions | None
    wants_plugin: bool


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    given = Launched()

    @contextmanager
    def changing_host() -> Iterator[tuple[Any, Any, Any]]:
        yield None, read_settings({}), None

    def act(
        _docker: Any,
        settings: Settings,
        router: RouterOptions,
        plugin: PluginOptions,
        _: Any,
        *,
        proxy: ProxyOptions | None,
    ) -> Any:
        given.router, given.plugin, given.proxy = router, plugin, proxy
        given.wants_plugin = settings.wants_plugin
        return operation_launched.Launched(router="1", plugin="2")

    monkeypatch.setattr(launch, "changing_host", changing_host)
    monkeypatch.setattr(operation, "launch", act)
    return given


def test_options_are_taken_in_both_spellings_and_behind_peers(launched: Launched) -> None:
    words = "launch --nickname=a host2 --port 7000 --no-dns host3:99 --ipalloc-range= --log-level debug"
    assert tree.run(words.split()) == 0
    assert launched.router == RouterOptions(
        peers=("host2", "host3:99"),
        nickname="a",
        port=7000,
        wants_dns=False,
        ipalloc_range="",
        log_level="debug",
    )


def test_launch_takes_the_options_of_all_three(launched: Launched) -> None:
    listen = "-H tcp://0.0.0.0:1 -H unix:///p"
    words = f"{listen} --rewrite-inspect --without-dns --no-multicast-route --tls --no-restart"
    assert tree.run(["launch", *words.split(), "host2"]) == 0
    assert (launched.router.peers, launched.router.restarts) == (("host2",), False)
    assert launched.plugin.wants_multicast_route is False
    assert launched.proxy == ProxyOptions(
        listen=("tcp://0.0.0.0:1", "unix:///p"),
        rewrites_inspect=True,
        wants_dns=False,
        wants_multicast_route=False,
        wants_tls=True,
        restarts=False,
    )


@pytest.mark.parametrize(
    ("words", "has_plugin", "has_proxy"),
    [
        ("", True, True),
        ("--plugin --proxy", True, True),
        ("--plugin=false", False, True),
        ("--proxy=false host2", True, False),
    ],
)
def test_launch_without_plugin_or_proxy_as_2_0_had_it(
    launched: Launched, words: str, has_plugin: bool, has_proxy: bool
) -> None:
    assert tree.run(["launch", *words.split()]) == 0
    assert (launched.wants_plugin, launched.proxy is not None) == (has_plugin, has_proxy)


@pytest.mark.parametrize(
    ("words", "first_ring"),
    [
        ([], None),
        (["--init-peer-count", "3"], "consensus=3"),
        (["-initpeercount", "3"], "consensus=3"),
        (["--ipalloc-init", "consensus"], "consensus"),
        (["--ipalloc-init=seed=7a::2,::1"], "seed=00:00:00:00:00:01,7a:00:00:00:00:02"),
        (["--ipalloc-init=observer"], "observer"),
    ],
)
def test_first_ring_is_asked_for_in_both_spellings(
    launched: Launched, words: list[str], first_ring: str | None
) -> None:
    assert tree.run(["launch", *words]) == 0
    assert launched.router.ipalloc_init == first_ring


def test_password_and_trusted_subnets_are_taken(launched: Launched) -> None:
    words = "--password-file=/root/p --trusted-subnets=10.1.2.3/8,192.168.0.0/16 --min-protocol-version=2"
    assert tree.run(["launch", *words.split()]) == 0
    assert launched.router == RouterOptions(
        password_file="/root/p",
        trusted_subnets="10.0.0.0/8,192.168.0.0/16",
        lowest_protocol_version=2,
    )
    assert tree.run(["launch", "-password", "wEaVe"]) == 0
    assert launched.router == RouterOptions(password="wEaVe")
    assert "wEaVe" not in repr(launched.router)


def test_words_of_the_first_versions_are_taken_with_a_warning(launched: Launched, capsys: Output) -> None:
    assert tree.run("launch 10.2.1.1/24 -iprange 10.2.0.0/16 --nodiscovery -nickname=a host2".split()) == 0
    assert launched.router == RouterOptions(
        peers=("host2",), ipalloc_range="10.2.0.0/16", wants_discovery=False, nickname="a"
    )
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["WARNING"] * 4


def test_local_half_of_the_original_is_taken(launched: Launched) -> None:
    assert tree.run(["--local", "launch", "host2"]) == 0
    assert launched.router.peers == ("host2",)


def test_launch_hands_the_plugins_options_to_the_plugin(launched: Launched) -> None:
    assert tree.run(["launch", "--no-multicast-route", "--mesh-network-name=foo", "--log-level=error"]) == 0
    assert launched.plugin == PluginOptions(
        log_level="error", mesh_network_name="foo", wants_multicast_route=False
    )
    assert launched.router == RouterOptions(log_level="error")


@pytest.mark.parametrize("words", [["--mesh-network-name", ""], ["--mesh-network-name="]])
def test_blank_network_name_differs_from_none(launched: Launched, words: list[str]) -> None:
    assert tree.run(["launch", *words]) == 0
    assert launched.plugin.mesh_network_name == ""
    assert tree.run(["launch"]) == 0
    assert launched.plugin.mesh_network_name is None


def test_unexpected_error_is_one_line_unless_the_trace_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr(tree.weave, "main", fail)
    monkeypatch.delenv("WEAVE_DEBUG", raising=False)
    assert tree.run([]) == 1
    assert capsys.readouterr().err.splitlines()[0] == "unexpected ZeroDivisionError: one"
    monkeypatch.setenv("WEAVE_DEBUG", "1")
    assert tree.run([]) == 1
    assert capsys.readouterr().err.startswith("Traceback")


def test_interrupt_is_status_130(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tree.weave, "main", interrupt)
    assert tree.run([]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_rmpeer_tries_all_and_says_what_came_of_each(api: FakeRouterApi, capsys: Output) -> None:
    api.answers |= {
        "DELETE /peer/host2": (200, "524288 IPs taken over from host2\n"),
        "DELETE /peer/host3": (400, "7a::3 (host3) is in the mesh\n"),
        "DELETE /peer/7a::9": (200, "0 IPs taken over from 7a::9\n"),
    }
    assert tree.run(["rmpeer", "host2", "host3", "7a::9"]) == 1
    output = capsys.readouterr()
    assert output.out == "524288 IPs taken over from host2\n0 IPs taken over from 7a::9\n"
    assert output.err == "7a::3 (host3) is in the mesh\n"
    assert tree.run(["rmpeer", "host2"]) == 0


def test_connect_and_forget_are_silent(api: FakeRouterApi, capsys: Output) -> None:
    api.answers |= {
        "POST /connect": (200, ""),
        "POST /forget": (200, ""),
        "GET /report": (200, '{"Router": {"Targets": ["host2", "host3"]}}'),
    }
    assert tree.run(["connect", "--replace", "host2"]) == 0
    assert tree.run(["connect", "--replace"]) == 0
    assert tree.run(["forget", "host2", "host3"]) == 0
    assert [body for call, body in api.asked if call.startswith("POST")] == [
        "replace=true&peer=host2",
        "replace=true",
        "peer=host2&peer=host3",
    ]
    assert capsys.readouterr() == ("", "")


def test_refused_peer_is_told_on_stderr(api: FakeRouterApi, capsys: Output) -> None:
    api.answers["POST /connect"] = (400, "cannot resolve nowhere\n")
    assert tree.run(["connect", "nowhere"]) == 1
    assert capsys.readouterr() == ("", "cannot resolve nowhere\n")


def test_report_adds_nothing(api: FakeRouterApi, capsys: Output) -> None:
    api.answers["GET /report"] = (200, "{}")
    api.answers["GET /report?format=%7B%7B.Version%7D%7D"] = (200, "0.1.0")
    assert tree.run(["report"]) == 0
    assert tree.run(["report", "-f", "{{.Version}}"]) == 0
    assert capsys.readouterr() == ("{}0.1.0", "")


def test_bad_template_is_told_on_stderr(api: FakeRouterApi, capsys: Output) -> None:
    api.answers["GET /report?format=%7B%7B"] = (400, "template: format:1: unclosed action\n")
    assert tree.run(["report", "-f", "{{"]) == 1
    assert capsys.readouterr() == ("", "template: format:1: unclosed action\n")


@pytest.mark.parametrize(
    ("has_plugin", "expected"),
    [
        (False, "\n        Version: 1\n\n"),
        (True, "\n        Version: 1\n\n        Service: plugin\n     DriverName: weave\n\n"),
    ],
)
def test_status_shows_router_then_plugin(
    api: FakeRouterApi, monkeypatch: pytest.MonkeyPatch, capsys: Output, has_plugin: bool, expected: str
) -> None:
    monkeypatch.setattr(survey, "is_plugin_listening", lambda: has_plugin)
    api.answers["GET /status"] = (200, "        Version: 1\n")
    assert tree.run(["status"]) == 0
    assert capsys.readouterr() == (expected, "")


def test_status_of_a_router_that_is_not_ready_goes_to_stderr(
    api: FakeRouterApi, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(survey, "is_plugin_listening", lambda: False)
    api.answers["GET /status"] = (503, "        Version: 1\n")
    assert tree.run(["status"]) == 1
    assert capsys.readouterr() == ("\n\n", "        Version: 1\n")


def test_status_without_router_still_tells_of_the_plugin(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("WEAVE_HTTP_ADDR", "127.0.0.1:9")
    monkeypatch.setattr(survey, "is_plugin_listening", lambda: True)
    monkeypatch.setattr(
        asking, "explain_unreachable", lambda *_: RouterProblem("weave container is not present.")
    )
    assert tree.run(["status"]) == 1
    assert capsys.readouterr() == (
        "\n\n        Service: plugin\n     DriverName: weave\n\n",
        "weave container is not present.\n",
    )


def test_status_page_is_only_the_page(api: FakeRouterApi, capsys: Output) -> None:
    api.answers["GET /status/targets"] = (200, "host2\n")
    assert tree.run(["status", "targets"]) == 0
    assert capsys.readouterr() == ("host2\n", "")


def test_unknown_status_page_is_named(api: FakeRouterApi, capsys: Output) -> None:
    assert tree.run(["status", "weather"]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err.splitlines()[0]) == ("", "unknown status page: weather")


def test_status_page_of_a_part_switched_off_fails_with_advice(api: FakeRouterApi, capsys: Output) -> None:
    api.answers["GET /status/dns"] = (500, "error during template execution\n")
    assert tree.run(["status", "dns"]) == 1
    assert "switched off" in capsys.readouterr().err


def test_calls_to_an_absent_router_ask_whether_it_was_launched(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("WEAVE_HTTP_ADDR", "127.0.0.1:9")

    def explain(_: RouterUnreachable, __: Any) -> RouterProblem:
        return RouterProblem("weave container is not present. Have you launched it?")

    monkeypatch.setattr(asking, "explain_unreachable", explain)
    assert tree.run(["connect", "host2"]) == 1
    assert capsys.readouterr() == ("", "weave container is not present. Have you launched it?\n")


def test_ps_prints_owner_mac_and_addresses(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    found = [
        Attachment(owner="weave:expose", mac="7a:00:00:00:00:01", addresses=()),
        Attachment(
            owner="abc",
            mac="7a:00:00:00:00:02",
            addresses=(parse_cidr("10.32.0.1/12"), parse_cidr("10.2.0.1/16")),
        ),
    ]
    monkeypatch.setattr(survey, "list_attachments", lambda names, _: found)
    assert tree.run(["ps"]) == 0
    assert capsys.readouterr().out == (
        "weave:expose 7a:00:00:00:00:01\nabc 7a:00:00:00:00:02 10.32.0.1/12 10.2.0.1/16\n"
    )


def test_env_prints_nothing_without_a_proxy(capsys: Output) -> None:
    assert tree.run(["env"]) == 0
    output = capsys.readouterr()
    assert (output.out, "proxy" in output.err) == ("", True)


@pytest.mark.parametrize(
    ("original", "shown"), [("tcp://h:1", "DOCKER_HOST=tcp://h:1\n"), ("", "DOCKER_HOST=\n")]
)
def test_env_restore_goes_back(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, original: str, shown: str
) -> None:
    monkeypatch.setenv("ORIG_DOCKER_HOST", original)
    assert tree.run(["env", "--restore"]) == 0
    assert capsys.readouterr() == (shown, "")


def test_env_restore_without_anything_to_restore_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.delenv("ORIG_DOCKER_HOST", raising=False)
    assert tree.run(["env", "--restore"]) == 1
    assert capsys.readouterr().out == ""


def test_dns_args_end_without_a_newline(
    api: FakeRouterApi, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("DOCKER_BRIDGE", "lo")
    api.answers["GET /domain"] = (200, "weave.local.")
    assert tree.run(["dns-args"]) == 0
    assert tree.run(["dns-args", "-d", "--name", "web", "-h", "web.weave.local", "image", "--help"]) == 0
    assert capsys.readouterr() == (
        "--dns=127.0.0.1 --dns-search=weave.local.--dns=127.0.0.1 --dns-search=.",
        "",
    )


def test_outside_addresses_are_named_and_unnamed_without_docker(api: FakeRouterApi, capsys: Output) -> None:
    api.answers |= {
        "GET /domain": (200, "weave.local."),
        "PUT /name/weave:extern/10.2.1.1": (204, ""),
        "PUT /name/weave:extern/10.2.1.2": (204, ""),
        "DELETE /name/weave:extern/10.2.1.1?fqdn=box.weave.local": (204, ""),
    }
    assert tree.run(["dns-add", "10.2.1.1", "10.2.1.2", "-h", "box.weave.local"]) == 0
    assert tree.run(["dns-remove", "10.2.1.1", "-h", "box.weave.local"]) == 0
    assert api.asked[1:] == [
        ("PUT /name/weave:extern/10.2.1.1", "fqdn=box.weave.local"),
        ("PUT /name/weave:extern/10.2.1.2", "fqdn=box.weave.local"),
        ("GET /domain", ""),
        ("DELETE /name/weave:extern/10.2.1.1?fqdn=box.weave.local", ""),
    ]
    assert capsys.readouterr() == ("", "")


def test_names_without_weave_dns_are_a_warning(api: FakeRouterApi, capsys: Output) -> None:
    assert tree.run(["dns-add", "10.2.1.1", "-h", "box.weave.local"]) == 0
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith("WARNING: weaveDNS is switched off")


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ((200, ""), 0, ""),
        ((200, "cancelled"), 1, "the router gave up"),
        ((404, ""), 1, "IP address allocation is switched off"),
    ],
)
def test_prime_waits_for_the_ring(
    api: FakeRouterApi, capsys: Output, answer: tuple[int, str], status: int, said: str
) -> None:
    api.answers["GET /ring"] = answer
    assert tree.run(["prime"]) == status
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith(said)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["config"], 1, "There is no proxy"),
        (["proxy-config"], 1, "Warning: proxy-config is deprecated; please use config"),
        (["proxy-env"], 0, "Warning: proxy-env is deprecated; please use env"),
        (["launch-dns"], 0, "The 'launch-dns' command has been removed"),
        (["stop-dns"], 0, "The 'stop-dns' command has been removed"),
        (["setup-cni"], 1, "There is no CNI plugin"),
    ],
)
def test_words_that_are_no_more_explain_themselves(
    words: Sequence[str], status: int, said: str, capsys: Output
) -> None:
    assert tree.run(words) == status
    output = capsys.readouterr()
    assert output.out == "" and output.err.startswith(said)


def test_address_of_dockers_bridge_ends_without_a_newline(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("DOCKER_BRIDGE", "lo")
    assert tree.run(["docker-bridge-ip"]) == 0
    assert capsys.readouterr() == ("127.0.0.1", "")


@pytest.mark.parametrize(("found", "status", "shown"), [("bridge", 0, "bridge\n"), (None, 1, "")])
def test_bridge_type_is_printed_or_the_status_says_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, found: str | None, status: int, shown: str
) -> None:
    monkeypatch.setattr(plumbing, "find_bridge_type", lambda: found)
    assert tree.run(["bridge-type"]) == status
    assert capsys.readouterr() == (shown, "")
