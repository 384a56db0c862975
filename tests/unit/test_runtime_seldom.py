"""Strangers cannot fill the log, and hide nobody else by trying."""

from __future__ import annotations

import asyncio
import logging

import pytest

from weave_cli.router.runtime.seldom import SeldomLog, kind_of

log = logging.getLogger("tests.seldom")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_stranger_gets_three_lines_and_a_sum(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        seldom = SeldomLog(log, logging.INFO, interval_s=0.05)
        for number in range(1000):
            seldom.tell("192.0.2.1", f"refused {number}")
        seldom.tell("192.0.2.2", "wrong password")
        assert lines(caplog) == ["refused 0", "refused 1", "refused 2", "wrong password"]
        await asyncio.sleep(0.2)
        assert lines(caplog)[4:] == ["refused 999 (and 996 more of this kind in 0 s)"]
        seldom.tell("192.0.2.1", "refused again")
        assert lines(caplog)[5:] == ["refused again"]

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())


def test_a_kind_is_a_reason_without_its_values() -> None:
    long, longer = (kind_of("192.0.2.1", f"message of {size} octets exceeds the limit") for size in (7, 99))
    assert long == longer != kind_of("192.0.2.1", "not the weave protocol")
    assert long != kind_of("192.0.2.2", "message of 7 octets exceeds the limit")


def test_many_strangers_are_one(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        seldom = SeldomLog(log, logging.INFO, interval_s=60)
        for number in range(100_000):
            seldom.tell(f"address {number}", "refused")

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())
    assert len(lines(caplog)) == 64 + 3
