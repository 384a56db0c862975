"""Messages of channel `weave-inquiry` at a desk that has asked a peer; what it tells then is JSON."""

from __future__ import annotations

import asyncio
import atexit
import json
import random
from collections.abc import Mapping
from typing import Any

from weave_cli.errors import RemoteProtocolError
from weave_cli.names import PeerName
from weave_cli.router.inquiry.messages import (
    FACTS,
    Answer,
    Question,
    decode_message,
    encode_message,
)
from weave_cli.router.runtime.inquiries import InquiryDesk

_THEM = PeerName(2)
_NUMBER = 42

_loop = asyncio.new_event_loop()
atexit.register(_loop.close)


class _Fixed(random.SystemRandom):
    """A source that chooses the number which the seeds answer."""

    def randrange(self, *_: Any) -> int:
        return _NUMBER


class _Channel:
    """Keeps what is said; always finds its peer."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        self.said.append(data)
        return True

    def broadcast(self, data: Any) -> None:
        raise AssertionError("nobody broadcasts here")

    def gossip(self, data: Any) -> None:
        raise AssertionError("there is no state to gossip")


def seeds() -> list[bytes]:
    contents: list[dict[str, Any]] = [
        {},
        {"time": 1_450_000_000.5, "skewS": 3},
        {"time": "noon", "kernel": {"release": "6.1"}},
        {"time": True, "problem": "none"},
    ]
    raw = [b'{"answer": 42, "content": {"time": %s}}' % one for one in (b"1e999", b"NaN", b"9" * 400)]
    raw.append(b'{"answer": 42, "content": {"kernel": [Infinity]}}')
    return [
        *(encode_message(Question(number=7, want=want)) for want in (FACTS, "unheard-of", "")),
        *(encode_message(Answer(number=_NUMBER, content=one)) for one in contents),
        encode_message(Answer(number=9)),
        *raw,
        b"[" * 900,
    ]


def check(data: bytes) -> None:
    _loop.run_until_complete(_check(data))


async def _check(data: bytes) -> None:
    channel = _Channel()
    desk = InquiryDesk({FACTS: _tell}, lambda: [_THEM], lambda: 1_450_000_000.0, lambda: None)
    desk.attach(channel)
    desk._rng = _Fixed()
    asking = asyncio.ensure_future(desk.ask_all(FACTS))
    await asyncio.sleep(0)
    try:
        desk.on_unicast(_THEM, data, 1_450_000_001.0)
        message = decode_message(data)
        await _check_reaction(desk, channel, asking, message)
    except RemoteProtocolError:
        return
    finally:
        asking.cancel()
        await asyncio.wait((asking,))


async def _check_reaction(
    desk: InquiryDesk, channel: _Channel, asking: asyncio.Future[Any], message: Question | Answer
) -> None:
    assert decode_message(encode_message(message)).number == message.number
    await desk._tasks.ended()
    if isinstance(message, Question):
        (answer,) = channel.said[1:]
        assert decode_message(answer).number == message.number
    elif message.number == _NUMBER:
        told = (await asking)[_THEM]
        assert told is not None
        assert isinstance(told.get("skewS", 0.0), float) and json.dumps(told, allow_nan=False)


async def _tell() -> Mapping[str, Any]:
    return {"kernel": "6.1"}
