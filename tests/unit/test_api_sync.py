"""The command line's client of the HTTP API, against a server on loopback."""

from __future__ import annotations

import socket

import pytest

from tests.fakes.router_http import serving
from weave_cli.addresses import parse_address, parse_cidr
from weave_cli.api import endpoints
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.errors import RouterProblem

pytestmark = pytest.mark.unit


def test_connect_sends_each_peer_quoted_and_replace_first() -> None:
    with serving({"POST /connect": (200, "")}) as api:
        RouterClient(api.address).connect(["host1:6783", "a&b"], replace=True)
    assert api.asked == [("POST /connect", "replace=true&peer=host1%3A6783&peer=a%26b")]


def test_replace_without_peers_is_a_call_of_its_own() -> None:
    with serving({"POST /connect": (200, "")}) as api:
        RouterClient(api.address).connect([], replace=True)
    assert api.asked == [("POST /connect", "replace=true")]


def test_refused_call_raises_with_the_routers_words() -> None:
    with serving({"POST /connect": (400, "lookup nowhere: no such host\n")}) as api:
        with pytest.raises(RouterProblem, match=r"^lookup nowhere: no such host$"):
            RouterClient(api.address).connect(["nowhere"], replace=False)


def test_report_asks_for_json_or_sends_the_template() -> None:
    answers = {"GET /report": (200, "{}"), "GET /report?format=%7B%7B.Version%7D%7D": (200, "1.0")}
    with serving(answers) as api:
        client = RouterClient(api.address)
        assert client.get_report() == "{}"
        assert client.get_report("{{.Version}}") == "1.0"
    assert api.accepts == ["application/json", None]


def test_domain_is_none_without_weave_dns() -> None:
    with serving({"GET /domain": (200, "weave.local.")}) as api:
        assert RouterClient(api.address).find_domain() == "weave.local."
        api.answers.clear()
        assert RouterClient(api.address).find_domain() is None


def test_router_is_ready_only_when_status_answers_200() -> None:
    with serving({"GET /status": (503, "starting")}) as api:
        client = RouterClient(api.address)
        assert not client.is_ready()
        api.answers["GET /status"] = (200, "up")
        assert client.is_ready()
    assert not client.is_ready()


def test_leaving_without_allocator_is_no_error() -> None:
    with serving({}) as api:
        RouterClient(api.address).leave()
    assert api.asked == [("DELETE /peer", "")]


def test_silence_names_the_address_and_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RouterUnreachable) as caught:
            RouterClient(address).get_status()
    assert address in caught.value.message
    assert "weave launch" in (caught.value.hint or "")


def test_status_pages_are_paths() -> None:
    with serving({"GET /status/dns/all": (200, "page")}) as api:
        assert RouterClient(api.address).get_status(("dns", "all")).text == "page"


@pytest.mark.parametrize(
    ("call", "method", "target", "body"),
    [
        (endpoints.allocate("abc", parse_cidr("10.2.0.0/16")), "POST", "/ip/abc/10.2.0.0/16", ""),
        (endpoints.allocate("_", check_alive=True), "POST", "/ip/_", "check-alive=true"),
        (
            endpoints.claim("weave:expose", parse_cidr("10.2.0.5/16"), no_error_on_unknown=True),
            "PUT",
            "/ip/weave:expose/10.2.0.5/16",
            "noErrorOnUnknown=true",
        ),
        (endpoints.release("_", parse_address("10.2.0.5")), "DELETE", "/ip/_/10.2.0.5", None),
        (
            endpoints.add_name("abc", parse_address("10.2.0.5"), "x.weave.local."),
            "PUT",
            "/name/abc/10.2.0.5",
            "fqdn=x.weave.local.",
        ),
        (endpoints.remove_names("abc", fqdn="x."), "DELETE", "/name/abc?fqdn=x.", None),
        (endpoints.remove_names("a/b"), "DELETE", "/name/a%2Fb", None),
    ],
)
def test_calls_are_spelt_as_the_specification_says(
    call: endpoints.Call, method: str, target: str, body: str | None
) -> None:
    assert (call.method, call.target, call.body) == (method, target, body)


def test_calls_that_may_wait_for_ever_say_so() -> None:
    assert endpoints.allocate("x").is_waiting
    assert endpoints.wait_for_ring().is_waiting
    assert not endpoints.get_status().is_waiting
