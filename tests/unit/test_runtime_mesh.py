"""Mesh nodes joined by real TCP connections of this machine."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest

from tests.fakes.loopback_mesh import LoopbackPeer, clock, loopback_peers
from tests.fakes.until import until
from weave_cli.router.wire.frames import frame_message
from weave_cli.router.wire.messages import Tag


def test_peers_are_introduced_and_gossip_flows_both_ways() -> None:
    async def meet() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours == {two.name} and two.neighbours == {one.name})
            one.say("from one")
            two.say("from two")
            await until(lambda: one.words.known == two.words.known == {"from one", "from two"})
            assert one.channel.unicast(two.name, b"to you")
            one.pump()
            await until(lambda: two.words.unicasts == [(one.name, b"to you")])
            (link,) = two.links
            assert (link.outbound, link.remote_ip) == (False, "127.0.0.1")
            assert one.links[0].outbound
            assert one.links[0].address == two.address

    asyncio.run(meet())


def test_log_tells_the_life_of_a_connection_with_peer_and_overlay(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def meet() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            who = f"->[{two.address}|7a:00:00:00:00:02(host2)]: connection"
            one.links[0].close("enough")
            assert [line for line in caplog.messages if line.startswith(who)] == [
                f"{who} introduced",
                f"{who} established, using overlay vxlan",
                f"{who} shutting down: enough",
            ]

    asyncio.run(meet())


def test_peers_find_the_peers_of_their_peers() -> None:
    async def meet() -> None:
        peers = [LoopbackPeer(number) for number in (1, 2, 3, 4)]
        names = {peer.name for peer in peers}
        async with loopback_peers(*peers):
            for peer, other in itertools.pairwise(peers):
                peer.connect(other)
            await until(lambda: all(peer.neighbours == names - {peer.name} for peer in peers))
            peers[0].say("far")
            await until(lambda: all("far" in peer.words.known for peer in peers))
            await until(lambda: all(peer.plane.routes.keys() == names for peer in peers))

    asyncio.run(meet())


def test_simultaneous_dialling_leaves_one_connection() -> None:
    async def meet() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            for _ in range(5):
                one.connect(two)
                two.connect(one)
                await until(lambda: one.neighbours == {two.name} and two.neighbours == {one.name})
                # For a moment each may hold only the one that the other has given up already.
                await until(
                    lambda: (
                        len(one.links) == len(two.links) == 1
                        and one.links[0].outbound != two.links[0].outbound
                    )
                )
                one.links[0].close("again")
                await until(lambda: not two.neighbours or two.runner.terminations)

    asyncio.run(meet())


@pytest.mark.parametrize("closer", ["dialler", "acceptor"])
def test_closed_connection_is_dialled_again(closer: str) -> None:
    async def part() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            lost = [*one.links, *two.links]
            (one if closer == "dialler" else two).links[0].close("for the test")
            await until(lambda: one.runner.terminations and two.runner.terminations)
            await until(lambda: one.neighbours == {two.name} and two.neighbours == {one.name})
            assert not {*one.links, *two.links} & {*lost}
            assert one.plane.ended[0] == lost[0].number

    asyncio.run(part())


def test_peer_that_starts_later_is_found() -> None:
    async def wait() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one):
            one.connect(two)
            await until(lambda: any(target.last_error for target in one.node.targets()))
            (target,) = one.node.targets()
            assert target.last_error == f"dial tcp {two.address}: connect: connection refused"
            async with loopback_peers(two):
                await until(lambda: one.neighbours and two.neighbours)

    asyncio.run(wait())


def test_peer_of_our_own_name_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def collide() -> None:
        one, other = LoopbackPeer(1), LoopbackPeer(1)
        async with loopback_peers(one, other):
            one.connect(other)
            one.connect_to([one.address])
            await until(lambda: "peer names collision" in caplog.text)
            await until(lambda: "cannot connect to ourself" in caplog.text)
            assert one.links == other.links == []
            assert one.runner.terminations == 0

    asyncio.run(collide())


def test_bad_gossip_ends_the_connection_that_brought_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def say_nonsense() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            one.links[0].send((Tag.GOSSIP, b"no gob at all"))
            await until(lambda: two.runner.terminations)
            assert "connection shutting down: gob: " in caplog.text
            await until(lambda: one.neighbours and two.neighbours)

    asyncio.run(say_nonsense())


def test_control_messages_reach_the_data_path_and_short_ones_end_the_connection() -> None:
    async def control() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            number = two.links[0].number
            one.runner.send_control(one.links[0].number, Tag.OVERLAY_CONTROL, b"\0\2x")
            one.links[0].send((200, b"of a later version: ignored"))
            await until(lambda: two.plane.controls == [(number, "vxlan", 2, b"x")])
            assert two.runner.terminations == 0
            # Ours refuses to send such a thing.
            transport = one.links[0]._transport
            assert transport is not None
            transport.write(frame_message(bytes((Tag.OVERLAY_CONTROL, 0))))
            await until(lambda: two.runner.terminations)

    asyncio.run(control())


def test_connection_whose_data_path_fails_is_ended() -> None:
    async def fail() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            one.runner.overlay_failed(one.links[0].number, "no working overlay")
            one.runner.overlay_failed(99, "nobody's")
            await until(lambda: two.runner.terminations)
            await until(lambda: one.neighbours and two.neighbours)

    asyncio.run(fail())


def test_slow_reader_gets_all_in_the_end_and_nothing_while_the_disk_is_full() -> None:
    async def read_slowly() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            reading = two.links[0]._transport
            assert reading is not None
            reading.pause_reading()
            for number in range(400):
                one.say(f"{number}:" + "x" * 20_000)
            assert not one.links[0].writable
            # What still waits is made into messages when it is sent, so it must wait for the disk.
            one.is_disk_full = True
            waiting = one.links[0]
            with pytest.MonkeyPatch.context() as spied:
                sent: list[int] = []
                spied.setattr(waiting, "send", lambda tag, payload: sent.append(tag))
                reading.resume_reading()
                await until(lambda: waiting.writable)
                assert sent == []
            one.is_disk_full = False
            one.pump()
            await until(lambda: len(two.words.known) == 400)

    asyncio.run(read_slowly())


def test_nothing_is_dialled_after_the_stop() -> None:
    async def stop() -> None:
        one, two = LoopbackPeer(1), LoopbackPeer(2)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours and two.neighbours)
            await one.stop()
            await until(lambda: two.runner.terminations)
            one.node.on_wake(clock() + 3600)
            one.pump()
            assert not one.transport._dials
            assert one.links == []

    asyncio.run(stop())


def test_peers_with_the_same_password_meet_and_agree_on_a_key() -> None:
    async def meet() -> None:
        one, two = LoopbackPeer(1, password=b"wEaVe"), LoopbackPeer(2, password=b"wEaVe")
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours == {two.name} and two.neighbours == {one.name})
            one.say("sealed")
            await until(lambda: two.words.known == {"sealed"})
            (key,) = one.plane.session_keys
            assert key is not None
            assert two.plane.session_keys == [key]
            assert one.runner.is_encrypted(one.links[0].number)

    asyncio.run(meet())


@pytest.mark.parametrize(("both", "expected"), [(True, "clear"), (False, "sealed")])
def test_frames_go_in_clear_only_where_both_sides_trust(both: bool, expected: str) -> None:
    async def meet() -> None:
        one = LoopbackPeer(1, password=b"wEaVe", trusts=True)
        two = LoopbackPeer(2, password=b"wEaVe", trusts=both)
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: one.neighbours == {two.name} and two.neighbours == {one.name})
            for peer in (one, two):
                (key,) = peer.plane.session_keys
                assert ("clear" if key is None else "sealed") == expected
                assert peer.runner.is_encrypted(peer.links[0].number) == (expected == "sealed")

    asyncio.run(meet())


@pytest.mark.parametrize(
    ("passwords", "reasons"),
    [
        (
            (b"wEaVe", b"w3av3"),
            ("Unable to decrypt TCP msg: the password of the peer is not ours",) * 2,
        ),
        (
            (b"wEaVe", None),
            (
                "password specified, but peer requested an unencrypted connection: it was launched without",
                "no password specified, but peer requested an encrypted connection: it was launched with a",
            ),
        ),
    ],
    ids=["different", "one-sided"],
)
def test_peers_without_the_same_password_tell_the_reason(
    passwords: tuple[bytes, bytes | None], reasons: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def meet() -> None:
        one, two = LoopbackPeer(1, password=passwords[0]), LoopbackPeer(2, password=passwords[1])
        async with loopback_peers(one, two):
            one.connect(two)
            await until(lambda: any(target.last_error for target in one.node.targets()))
            (target,) = one.node.targets()
            assert target.last_error is not None
            assert target.last_error.startswith(reasons[0])
            await until(lambda: any(reasons[1] in line for line in caplog.messages))
            assert not one.neighbours
            assert not two.neighbours

    asyncio.run(meet())
