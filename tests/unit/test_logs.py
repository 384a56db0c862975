"""What our daemons write for what libraries have to say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from weave_cli.logs import start_logging
from weave_cli.plugin.server import DriverServer


@pytest.fixture
def restored() -> Iterator[None]:
    """Our handlers go when the test ends, pytest's come back."""
    root = logging.getLogger()
    before, before_level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(before_level)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    "garbage",
    [
        b"POST /x HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /x HTTP/1.1\r\n\0: \r\n\r\n",
        b"POST /x HTTP/1.1\r\nA: " + b"a" * 100_000,
    ],
)
def test_malformed_http_is_one_line_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], garbage: bytes
) -> None:
    async def send() -> None:
        server = DriverServer(str(tmp_path / "weave.sock"), {})
        await server.start()
        reader, writer = await asyncio.open_unix_connection(server.path)
        writer.write(garbage)
        await reader.read()
        writer.close()
        await server.stop()

    start_logging("info")  # onto the stderr of this test
    asyncio.run(send())
    lines = [line for line in capsys.readouterr().err.splitlines() if "Listening on" not in line]
    assert len(lines) == 1
    assert "a request that is no HTTP" in lines[0]
