"""Messages that end a Go router do not leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from weave_cli.errors import LocalProtocolError
from weave_cli.names import PeerName
from weave_cli.router.wire.connection import Introduced, WireConnection
from weave_cli.router.wire.frames import frame_message
from weave_cli.router.wire.guards import check_outgoing, count_common_overlays
from weave_cli.router.wire.intro import Features
from weave_cli.router.wire.messages import OverlayControl, Tag, encode_overlay_control

US = Features(name=PeerName(1), nickname="us", uid=1, conn_id=1, overlays=("vxlan", "sleeve"))
THEM = Features(name=PeerName(2), nickname="them", uid=2, conn_id=2, overlays=("sleeve", "fastdp"))
OLD = replace(THEM, overlays=None)


@pytest.mark.parametrize(
    ("theirs", "count"),
    [
        (THEM, 1),
        (US, 2),
        (replace(THEM, overlays=("fastdp",)), 0),
        (replace(THEM, overlays=()), 0),
        (OLD, None),
    ],
)
def test_overlays_in_common_are_counted(theirs: Features, count: int | None) -> None:
    assert count_common_overlays(US, theirs) == count


@pytest.mark.parametrize(
    ("tag", "payload", "common", "problem"),
    [
        (Tag.OVERLAY_CONTROL, b"", 1, "of 0 octets"),
        (Tag.OVERLAY_CONTROL, b"\x00", 1, "of 1 octets"),
        (Tag.OVERLAY_CONTROL, b"\x01\x00", 1, "overlay 1 of 1"),
        (Tag.OVERLAY_CONTROL, b"\x00\x00", 0, "overlay 0 of 0"),
        (Tag.OVERLAY_ESTABLISHED, b"", 1, "tag 1"),
        (Tag.OVERLAY_FRAGMENTATION, b"", 0, "tag 2"),
        (Tag.OVERLAY_MTU, b"\x05\xdc", 2, "tag 3"),
    ],
)
def test_what_a_go_router_would_index_without_looking_is_refused(
    tag: Tag, payload: bytes, common: int | None, problem: str
) -> None:
    with pytest.raises(LocalProtocolError, match=problem):
        check_outgoing(tag, payload, common)


@pytest.mark.parametrize(
    ("tag", "payload", "common"),
    [
        (Tag.OVERLAY_CONTROL, b"\x00\x00", 1),
        (Tag.OVERLAY_CONTROL, encode_overlay_control(OverlayControl(1, 2, b"body")), 2),
        (Tag.OVERLAY_ESTABLISHED, b"", None),
        (Tag.OVERLAY_MTU, b"\x05\xdc", None),
        (Tag.OVERLAY_CONTROL, b"\x00\x00", None),
        (Tag.HEARTBEAT, b"", 1),
        (Tag.GOSSIP, b"x", None),
    ],
)
def test_what_it_can_read_is_let_through(tag: Tag, payload: bytes, common: int | None) -> None:
    check_outgoing(tag, payload, common)


def test_a_connection_holds_what_it_sends_to_the_overlays_of_its_remote() -> None:
    connection = WireConnection(initiator=True, features=US, now=0.0)
    connection.receive(b"weave\x01\x02\x00" + frame_message(THEM.encode()), 0.0)
    assert isinstance(connection.next_event(), Introduced)
    connection.data_to_send()
    with pytest.raises(LocalProtocolError):
        connection.send(Tag.OVERLAY_CONTROL, b"\x01\x00", 0.0)
    assert connection.data_to_send() == b""
    connection.send(Tag.OVERLAY_CONTROL, b"\x00\x00", 0.0)
    assert connection.data_to_send() == frame_message(b"\x07\x00\x00")
