"""weaveDNS on loopback sockets, asked by dnspython, with an upstream server of our own."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.fakes.dns_upstream import fake_upstream
from tests.fakes.names import FakeNames
from weave_cli.errors import HostProblem
from weave_cli.router.runtime import dns_streams, dns_upstream
from weave_cli.router.runtime.dns_server import DnsServer

pytestmark = pytest.mark.unit

_PATIENCE_S = 10.0


def names() -> FakeNames:
    return FakeNames(addresses={"web.weave.local.": [1], "many.weave.local.": list(range(60))})


@contextmanager
def serving(
    served: FakeNames | None = None,
    *,
    address: str = "127.0.0.1",
    upstream: tuple[str, ...] = (),
    upstream_port: int = 53,
    timeout_s: float = _PATIENCE_S,
    directory: Path = Path("/nonexistent"),
) -> Iterator[DnsServer]:
    """A server that runs as long as the context, with these upstream addresses."""
    if upstream:
        lines = "".join(f"nameserver {server}\n" for server in upstream)
        (directory / "resolv.conf").write_text(lines)
    server = DnsServer(
        address,
        0,
        served or names(),
        domain="weave.local.",
        resolv_conf=directory / "resolv.conf",
        fallback_timeout_s=timeout_s,
        upstream_port=upstream_port,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def ask(server: DnsServer, name: str, kind: str = "A", *, tcp: bool = False, at: str = "127.0.0.1") -> Any:
    """dnspython's reading of the answer; it checks that it belongs to the question."""
    query = dns.message.make_query(name, kind)
    exchange = dns.query.tcp if tcp else dns.query.udp
    return exchange(query, at, port=server.port, timeout=_PATIENCE_S)


def addresses(answer: Any) -> list[str]:
    return [str(data) for rrset in answer.answer for data in rrset]


@pytest.mark.parametrize("tcp", [False, True])
def test_names_are_answered(tcp: bool) -> None:
    with serving() as server:
        for _ in range(3):
            assert addresses(ask(server, "web.weave.local.", tcp=tcp)) == ["0.0.0.1"]
        assert ask(server, "nope.weave.local.", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
        assert ask(server, "web.", "AAAA", tcp=tcp).rcode() == dns.rcode.NOERROR


def test_a_large_answer_is_cut_by_udp_and_whole_by_tcp() -> None:
    with serving() as server:
        cut = ask(server, "many.weave.local.")
        assert cut.flags & dns.flags.TC and len(addresses(cut)) == 14
        assert len(addresses(ask(server, "many.weave.local.", tcp=True))) == 60


def test_the_order_of_ready_answers_changes() -> None:
    with serving(FakeNames(addresses={"few.weave.local.": list(range(10))})) as server:
        orders = {tuple(addresses(ask(server, "few.weave.local."))) for _ in range(10)}
    assert len(orders) > 5 and len({frozenset(order) for order in orders}) == 1


def test_a_changed_name_is_answered_as_it_is_now() -> None:
    served = names()
    with serving(served) as server:
        assert addresses(ask(server, "web.weave.local.")) == ["0.0.0.1"]
        served.addresses["web.weave.local."] = [2]
        served.generation += 1
        assert addresses(ask(server, "web.weave.local.")) == ["0.0.0.2"]
        del served.addresses["web.weave.local."]
        served.generation += 1
        assert ask(server, "web.weave.local.").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("junk", [b"", b"\0", b"\xff" * 11, b"\x80" * 40])
def test_packets_that_ask_nothing_get_nothing_and_do_no_harm(junk: bytes) -> None:
    with serving() as server, client(server) as udp:
        udp.send(junk)
        udp.send(dns.message.make_query("web.weave.local.", "A").to_wire())
        assert dns.message.from_wire(udp.recv(512)).rcode() == dns.rcode.NOERROR


def test_broken_queries_get_a_format_error() -> None:
    with serving() as server, client(server) as udp:
        udp.send(bytes.fromhex("123401000001000000000000ffff"))
        assert udp.recv(512).hex() == "123481010000000000000000"


def test_a_defect_costs_one_query_and_not_the_server(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeNames):
        def lookup(self, name: str) -> list[int]:
            if name.startswith("broken"):
                raise RuntimeError("defect")
            return super().lookup(name)

    with serving(Broken(addresses={"web.weave.local.": [1]})) as server, client(server) as udp:
        udp.send(dns.message.make_query("broken.weave.local.", "A").to_wire())
        assert addresses(ask(server, "web.weave.local.")) == ["0.0.0.1"]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "weaveDNS failed on a query"
    ]


def test_on_all_addresses_the_answer_comes_from_the_one_that_was_asked(tmp_path: Path) -> None:
    with fake_upstream(address="127.0.0.5") as upstream:
        with serving(
            address="0.0.0.0", upstream=("127.0.0.5",), upstream_port=upstream.port, directory=tmp_path
        ) as server:
            # dnspython refuses answers from elsewhere, ready ones and others alike.
            for _ in range(2):
                assert addresses(ask(server, "web.weave.local.", at="127.0.0.7")) == ["0.0.0.1"]
            assert ask(server, "example.com.", at="127.0.0.7").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("tcp", [False, True])
def test_other_names_are_asked_upstream_by_the_same_transport(tcp: bool, tmp_path: Path) -> None:
    with fake_upstream() as fake, fake_upstream(address="127.0.0.9", port=fake.port) as second:
        with serving(
            upstream=("127.0.0.1", "127.0.0.9"), upstream_port=fake.port, directory=tmp_path
        ) as server:
            # 127.0.0.1 is where we listen ourselves: it is left out, whatever the port.
            assert server.upstream_servers() == ("127.0.0.9",)
            answer = ask(server, "www.example.com.", tcp=tcp)
        assert answer.rcode() == dns.rcode.REFUSED
        assert (len(second.by_udp), len(second.by_tcp)) == ((0, 1) if tcp else (1, 0))
        assert not fake.by_udp and not fake.by_tcp


def test_the_query_goes_upstream_unchanged_but_for_its_id(tmp_path: Path) -> None:
    query = dns.message.make_query("www.example.com.", "TXT", use_edns=0, payload=1400, want_dnssec=True)
    with fake_upstream(address="127.0.0.9") as fake:
        with serving(upstream=("127.0.0.9",), upstream_port=fake.port, directory=tmp_path) as server:
            for _ in range(3):
                dns.query.udp(query, "127.0.0.1", port=server.port, timeout=_PATIENCE_S)
    assert {sent[2:] for sent in fake.by_udp} == {query.to_wire()[2:]}
    assert len({sent[:2] for sent in fake.by_udp} | {query.to_wire()[:2]}) > 1


def test_the_next_server_is_asked_when_one_is_dead_or_silent(tmp_path: Path) -> None:
    with fake_upstream(address="127.0.0.9") as good, ExitStack() as stack:
        stack.enter_context(fake_upstream(lambda query: [], address="127.0.0.8", port=good.port))
        with serving(
            upstream=("127.0.0.7", "127.0.0.8", "127.0.0.9"),
            upstream_port=good.port,
            timeout_s=0.2,
            directory=tmp_path,
        ) as server:
            assert ask(server, "example.com.").rcode() == dns.rcode.REFUSED
            assert ask(server, "example.com.", tcp=True).rcode() == dns.rcode.REFUSED


def test_forged_and_broken_answers_are_passed_over(tmp_path: Path) -> None:
    def behaviour(query: bytes) -> list[bytes]:
        wrong_id = bytes([query[0] ^ 1]) + query[1:2] + b"\x81\x03" + query[4:]
        return [b"", query[:5], wrong_id, query, query[:2] + b"\x81\x05" + query[4:]]

    with fake_upstream(behaviour, address="127.0.0.9") as fake:
        with serving(upstream=("127.0.0.9",), upstream_port=fake.port, directory=tmp_path) as server:
            assert ask(server, "example.com.").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("tcp", [False, True])
def test_without_anybody_to_ask_the_answer_is_a_failure(tcp: bool) -> None:
    with serving() as server:
        assert server.upstream_servers() == ()
        answer = ask(server, "example.com.", tcp=tcp)
    assert answer.rcode() == dns.rcode.SERVFAIL and answer.flags & dns.flags.RA


def test_silent_upstream_servers_hold_up_no_name_and_too_many_questions_fail_at_once(tmp_path: Path) -> None:
    with fake_upstream(lambda query: [], address="127.0.0.9") as silent:
        with (
            serving(upstream=("127.0.0.9",), upstream_port=silent.port, directory=tmp_path) as server,
            client(server) as udp,
        ):
            for number in range(dns_upstream.LIMIT + 1):
                udp.send(dns.message.make_query(f"x{number}.example.com.", "A").to_wire())
            answer = dns.message.from_wire(udp.recv(512))
            assert answer.rcode() == dns.rcode.SERVFAIL
            assert str(answer.question[0].name) == f"x{dns_upstream.LIMIT}.example.com."
            assert addresses(ask(server, "web.weave.local.")) == ["0.0.0.1"]
            assert addresses(ask(server, "web.weave.local.", tcp=True)) == ["0.0.0.1"]


def test_one_connection_may_ask_many_questions() -> None:
    with serving() as server, connection(server) as tcp:
        query = dns.message.make_query("web.weave.local.", "A").to_wire()
        framed = len(query).to_bytes(2, "big") + query
        tcp.sendall(framed * 3 + framed[:5])
        received = b""
        while len(received) < 3 * (2 + 64):
            received += tcp.recv(4096)
        assert len(received) == 3 * (2 + 64)
        tcp.sendall(framed[5:])
        assert len(tcp.recv(4096)) == 2 + 64


def test_idle_connections_make_room_for_new_ones() -> None:
    with serving() as server, ExitStack() as stack:
        idle = [stack.enter_context(connection(server)) for _ in range(dns_streams.LIMIT)]
        for _ in range(3):
            assert addresses(ask(server, "web.weave.local.", tcp=True)) == ["0.0.0.1"]
        with pytest.raises(ConnectionResetError):
            if idle[0].recv(1) == b"":
                raise ConnectionResetError
        idle[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[-1].recv(1)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_used_port_is_explained_with_its_owner_and_nothing_is_left_open(protocol: str) -> None:
    ourselves = f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
    with socket.socket(
        socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    ) as taken:
        taken.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        server = DnsServer("127.0.0.1", port, names(), domain="weave.local.")
        with pytest.raises(HostProblem) as caught:
            server.start()
        expected = f"cannot serve weaveDNS on 127.0.0.1:{port}/{protocol}: the port is in use by {ourselves}"
        assert caught.value.message == expected
        assert "--dns-listen-address" in (caught.value.hint or "")
    server.start()
    server.stop()


def test_a_missing_address_is_explained() -> None:
    with pytest.raises(HostProblem, match=r"192\.0\.2\.77:5353/tcp: this host has no such address"):
        DnsServer("192.0.2.77", 5353, names(), domain="weave.local.").start()


def test_stopping_ends_threads_and_frees_the_port_with_clients_and_questions_under_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()
    caplog.set_level(logging.WARNING)
    with fake_upstream(lambda query: [], address="127.0.0.9") as silent:
        started = threading.active_count()
        with (
            serving(upstream=("127.0.0.9",), upstream_port=silent.port, directory=tmp_path) as server,
            client(server) as udp,
            connection(server) as tcp,
        ):
            udp.send(dns.message.make_query("example.com.", "A").to_wire())
            tcp.sendall(b"\0")
            assert addresses(ask(server, "web.weave.local.")) == ["0.0.0.1"]
            port = server.port
            server.stop()
            assert threading.active_count() == started
            server.stop()
            again = DnsServer("127.0.0.1", port, names(), domain="weave.local.")
            again.start()
            assert addresses(ask(again, "web.weave.local.")) == ["0.0.0.1"]
            again.stop()
    assert threading.active_count() == before
    assert caplog.records == []


def test_it_serves_while_the_event_loop_of_the_program_is_busy() -> None:
    async def program() -> list[str]:
        with serving() as server:
            # Asked from the loop's own thread: the loop itself cannot run meanwhile.
            return addresses(ask(server, "web.weave.local.")) + addresses(
                ask(server, "web.weave.local.", tcp=True)
            )

    assert asyncio.run(program()) == ["0.0.0.1", "0.0.0.1"]


@contextmanager
def client(server: DnsServer) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(_PATIENCE_S)
        udp.connect(("127.0.0.1", server.port))
        yield udp


@contextmanager
def connection(server: DnsServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE_S) as tcp:
        yield tcp
