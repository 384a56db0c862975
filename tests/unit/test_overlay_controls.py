"""The two forms of overlays' control messages; what a Go router would crash on is neither sent nor taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_cli.errors import LocalProtocolError, RemoteProtocolError
from weave_cli.router.overlay.controls import CONTROL_TAGS, ControlCodec

BOTH = ControlCodec(("vxlan", "sleeve"), is_compatible=False)
GO = ControlCodec(("sleeve",), is_compatible=False)
OLD = ControlCodec(("sleeve",), is_compatible=True)


@pytest.mark.parametrize(
    ("codec", "message", "tag", "payload"),
    [
        (BOTH, ("vxlan", 0, b"\0\0\0\0\1"), 7, "00000000000001"),
        (BOTH, ("sleeve", 1, b""), 7, "0101"),
        (GO, ("sleeve", 3, b"\x05\x9e"), 7, "0003059e"),
        (OLD, ("sleeve", 1, b""), 1, ""),
        (OLD, ("sleeve", 2, b""), 2, ""),
        (OLD, ("sleeve", 3, b"\x05\x9e"), 3, "059e"),
    ],
)
def test_messages_look_like_this(
    codec: ControlCodec, message: tuple[str, int, bytes], tag: int, payload: str
) -> None:
    assert codec.encode(*message) == (tag, bytes.fromhex(payload))
    assert codec.decode(tag, bytes.fromhex(payload)) == message


@pytest.mark.parametrize(
    ("codec", "tag", "payload", "reason"),
    [
        (BOTH, 7, b"", "overlay control message of 0 octets"),
        (BOTH, 7, b"\0", "overlay control message of 1 octets"),
        (BOTH, 7, b"\2\1", "overlay number 2, of 2 in common"),
        (GO, 7, b"\1\1", "overlay number 1, of 1 in common"),
        (GO, 1, b"", "tag 1 from a peer that announced overlays"),
        (GO, 3, b"\x05\x9e", "tag 3 from a peer that announced overlays"),
        (OLD, 7, b"\0\1", "from a peer that announced no overlays"),
        (OLD, 3, b"\x05", "path MTU message of 1 octets"),
    ],
)
def test_the_wrong_form_is_refused(codec: ControlCodec, tag: int, payload: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        codec.decode(tag, payload)


@pytest.mark.parametrize(
    ("codec", "overlay", "sub_tag"),
    [(GO, "vxlan", 0), (OLD, "vxlan", 0), (OLD, "sleeve", 0), (OLD, "sleeve", 7)],
)
def test_what_the_peer_could_not_take_is_not_sent(codec: ControlCodec, overlay: str, sub_tag: int) -> None:
    with pytest.raises(LocalProtocolError):
        codec.encode(overlay, sub_tag, b"")


@given(st.sampled_from([BOTH, GO, OLD]), st.sampled_from(sorted(CONTROL_TAGS)), st.binary(max_size=8))
def test_no_octets_break_the_decoder(codec: ControlCodec, tag: int, payload: bytes) -> None:
    try:
        overlay, sub_tag, body = codec.decode(tag, payload)
    except RemoteProtocolError:
        return
    assert codec.encode(overlay, sub_tag, body) == (tag, payload)
