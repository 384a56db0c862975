"""The asynchronous API client against a router in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.fakes.router_api import OTHER_ORIGIN, OWN_NAME, FakeRouterApi, running_router
from tests.fakes.until import until
from weave_cli.addresses import parse_address, parse_cidr
from weave_cli.api.aio import ABSENT, AsyncRouterClient
from weave_cli.api.sync import RouterUnreachable
from weave_cli.errors import RouterProblem
from weave_cli.names import parse_peer_name

CONTAINER = "c" * 64


def with_router(scenario: Callable[[FakeRouterApi, AsyncRouterClient], Awaitable[None]]) -> None:
    """Run a scenario with a router that listens and a client of it."""

    async def run() -> None:
        async with running_router() as router, AsyncRouterClient(router.address) as client:
            async with asyncio.timeout(20):
                await scenario(router, client)

    asyncio.run(run())


def test_allocates_in_default_and_in_given_subnet() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        assert str(await client.allocate()) == "10.32.0.1/12"
        assert str(await client.allocate(parse_cidr("10.40.0.0/16"))) == "10.40.0.1/16"
        assert sorted(router.owned) == ["10.32.0.1", "10.40.0.1"]
        assert router.requests == ["POST /ip/_", "POST /ip/_/10.40.0.0/16"]

    with_router(scenario)


def test_claims_and_tells_whose_an_address_is() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        router.foreign[parse_address("10.32.0.9")] = "7a:00:00:00:00:02(host2)"
        await client.claim(parse_cidr("10.32.0.8/12"))
        assert list(router.owned) == ["10.32.0.8"]
        with pytest.raises(RouterProblem) as caught:
            await client.claim(parse_cidr("10.32.0.9/12"))
        assert caught.value.message == (
            "Unable to claim: address 10.32.0.9/12 is owned by other peer 7a:00:00:00:00:02(host2)"
        )

    with_router(scenario)


def test_release_of_what_is_not_held_is_no_error() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        cidr = await client.allocate()
        assert await client.release(cidr.address) is True
        assert await client.release(cidr.address) is False
        assert router.owned == {}

    with_router(scenario)


def test_cancelled_allocation_is_given_up_by_the_router() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        router.ring.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.allocate()
        await until(lambda: router.waiting == 0)
        router.ring.set()
        await client.contact()
        assert router.owned == {}

    with_router(scenario)


def test_reads_what_is_owned() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        assert await client.owned() == {}
        router.owned["weave:expose"] = [parse_cidr("10.32.0.1/12")]
        assert await client.owned() == {"weave:expose": [parse_cidr("10.32.0.1/12")]}

    with_router(scenario)


def test_names_come_and_go_one_by_one() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        address = parse_address("10.32.0.1")
        await client.add_name(CONTAINER, address, "a.weave.local.")
        await client.add_name(CONTAINER, address, "b.weave.local.")
        router.add_name(CONTAINER, "10.32.0.7", "c.weave.local.", origin=OTHER_ORIGIN)
        await client.remove_names(CONTAINER, address, fqdn="a.weave.local.")
        records = {(record.fqdn, record.origin) for record in await client.names()}
        own = parse_peer_name(OWN_NAME)
        assert records == {("b.weave.local.", own), ("c.weave.local.", OTHER_ORIGIN)}
        assert await client.own_name() == own
        await client.remove_names(CONTAINER)
        assert [record.fqdn for record in await client.names()] == ["c.weave.local."]

    with_router(scenario)


def test_another_process_of_the_router_shows() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        before = await client.contact()
        await router.stop()
        await router.start()
        after = await client.contact()
        assert before.domain == after.domain == "weave.local."
        assert before.instance != after.instance

    with_router(scenario)


def test_router_without_dns_and_without_allocator() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        router.domain = None
        assert await client.domain() is None
        assert await client.allocator_status() == "ready"
        assert str(await client.default_subnet()) == "10.32.0.0/12"

    with_router(scenario)


def test_says_so_when_nobody_listens() -> None:
    async def scenario(router: FakeRouterApi, client: AsyncRouterClient) -> None:
        await router.stop()
        with pytest.raises(RouterUnreachable) as caught:
            await client.allocate()
        assert caught.value.message == ABSENT

    with_router(scenario)


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]"])
def test_nonsense_from_the_port_is_a_router_problem(reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with server, AsyncRouterClient(f"{host}:{port}") as client:
            for call in (client.allocate(), client.owned(), client.names(), client.default_subnet()):
                with pytest.raises(RouterProblem):
                    await call

    asyncio.run(run())
