"""Two desks that ask each other, without a mesh between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from weave_cli.errors import HostProblem, RemoteProtocolError, UsageProblem
from weave_cli.names import PeerName
from weave_cli.router.inquiry.messages import Answer, Question, encode_message
from weave_cli.router.mesh.gossip import GossipData
from weave_cli.router.runtime import inquiries
from weave_cli.router.runtime.inquiries import InquiryDesk

pytestmark = pytest.mark.unit

_US, _THEM, _GO, _GONE = PeerName(1), PeerName(2), PeerName(3), PeerName(4)


class Line:
    """The channel of one desk; the messages of both are carried when somebody pumps."""

    def __init__(self, us: PeerName, desks: dict[PeerName, InquiryDesk]) -> None:
        self._us, self._desks = us, desks
        self.sent = 0

    def unicast(self, destination: PeerName, data: bytes) -> bool:
        self.sent += 1
        if destination == _GONE:
            return False
        if desk := self._desks.get(destination):
            asyncio.get_running_loop().call_soon(desk.on_unicast, self._us, data, 1000.0)
        return True

    def broadcast(self, data: GossipData) -> None: ...

    def gossip(self, data: GossipData) -> None: ...


async def _facts() -> Mapping[str, Any]:
    return {"mtu": 1450}


async def _refusal() -> Mapping[str, Any]:
    raise HostProblem("no bridge")


def make_desks(
    *peers: PeerName, clock: float = 1000.0, ahead_s: float = 0.0
) -> tuple[InquiryDesk, InquiryDesk]:
    handlers = {"facts": _facts, "responder": _refusal}
    desks: dict[PeerName, InquiryDesk] = {}
    for name, lead_s in ((_US, 0.0), (_THEM, ahead_s)):
        desk = InquiryDesk(handlers, lambda: peers, lambda lead_s=lead_s: clock + lead_s, lambda: None)  # type: ignore[misc]
        desk.attach(Line(name, desks))
        desks[name] = desk
    return desks[_US], desks[_THEM]


def test_a_peer_tells_what_it_is_asked_for_and_how_its_clock_differs() -> None:
    us, _ = make_desks(_THEM, ahead_s=30)
    assert asyncio.run(us.ask_all("facts")) == {_THEM: {"mtu": 1450, "time": 1030.0, "skewS": 30.0}}


def test_what_a_peer_cannot_do_is_said_in_its_words() -> None:
    us, _ = make_desks(_THEM)
    answers = asyncio.run(us.ask_all("responder"))
    assert (answers[_THEM] or {})["problem"] == "no bridge"


def test_those_that_are_silent_or_cannot_be_reached_are_listed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "_PATIENCE_S", 0.05)
    us, _ = make_desks(_THEM, _GO, _GONE)
    answers = asyncio.run(us.ask_all("facts"))
    assert [(name, answer is None) for name, answer in answers.items()] == [
        (_THEM, False),
        (_GO, True),
        (_GONE, True),
    ]


def test_nobody_can_be_asked_for_just_anything() -> None:
    us, _ = make_desks(_THEM)
    with pytest.raises(UsageProblem, match="password"):
        asyncio.run(us.ask_all("password"))
    told = asyncio.run(us.tell("password"))
    assert told == {"problem": "this router knows nothing of 'password'"}


def test_answers_that_nobody_asked_for_are_ignored() -> None:
    us, _ = make_desks(_THEM)
    us.on_unicast(_THEM, encode_message(Answer(number=7, content={"mtu": 1})), 1000.0)
    with pytest.raises(RemoteProtocolError):
        us.on_unicast(_THEM, b"garbage", 1000.0)


@pytest.mark.parametrize("time", [10**400, -1, 1e300, "noon", None])
def test_a_clock_that_none_can_be_is_not_reckoned_with(time: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    us, them = make_desks(_THEM)

    async def answer(source: PeerName, question: Any) -> None:
        reply = Answer(number=question.number, content={"time": time})
        us.on_unicast(_THEM, encode_message(reply), 1000.0)

    monkeypatch.setattr(them, "_answer", answer)
    assert asyncio.run(us.ask_all("facts")) == {_THEM: {"time": time}}


def test_a_flood_of_questions_is_not_answered() -> None:
    async def flood() -> int:
        us, _ = make_desks(_THEM)
        line = Line(_US, {})
        us.attach(line)
        for number in range(100):
            us.on_unicast(_THEM, encode_message(Question(number=number, want="facts")), 1000.0)
        await asyncio.sleep(0.01)
        first = line.sent
        us.on_unicast(_THEM, encode_message(Question(number=1, want="facts")), 1000.0)
        await asyncio.sleep(0.01)
        assert line.sent == first + 1
        return first

    assert asyncio.run(flood()) == 8
