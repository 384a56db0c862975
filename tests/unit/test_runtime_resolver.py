"""Targets as people write them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from weave_cli.errors import UsageProblem
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.runtime.resolver import resolve_target


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One name is known; nothing leaves this machine."""
    real = socket.getaddrinfo

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "host2":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.2", 0))]
        if host.replace(".", "").isdigit():
            return real(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    yield


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host2", "10.0.0.2"),
        ("host2:6784", "10.0.0.2:6784"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:1", "192.0.2.7:1"),
        ("host2:http", "10.0.0.2:80"),
    ],
)
def test_target_keeps_its_text_and_gets_its_address(text: str, address: str) -> None:
    assert asyncio.run(resolve_target(text)) == DirectTarget(text=text, address=address)


@pytest.mark.parametrize("text", ["", "a b", "http://x/", "x:", ":6783", "[::1]:6783", "a:b:c", "-x", "x\n"])
def test_text_that_is_no_target_is_named(text: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        asyncio.run(resolve_target(text))
    assert str(problem.value) == f'invalid peer name "{text}", should be host[:port]'


@pytest.mark.parametrize("port", ["0", "65536", "99999999", "no-such-service", "٣"])
def test_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        asyncio.run(resolve_target(f"host2:{port}"))
    assert f'invalid peer name "host2:{port}"' in str(problem.value)


@pytest.mark.parametrize("host", ["nowhere.invalid", "999.999.999.999"])
def test_name_that_does_not_resolve_is_named(host: str) -> None:
    with pytest.raises(UsageProblem, match=f"^lookup {host}: Name or service not known$"):
        asyncio.run(resolve_target(f"{host}:6783"))
