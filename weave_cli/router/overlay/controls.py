"""How control messages of overlays travel in messages between routers, pure (specification overlay, 1.3).

To peers that negotiated overlays: tag 7, the overlay's number among those in common, its sub tag, its
body. To older ones, which know sleeve only: its sub tags 1 to 3 are the tags. Go routers crash on the form
that they do not expect, and on numbers out of range: neither is ever sent; received, it is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weave_cli.errors import LocalProtocolError, RemoteProtocolError
from weave_cli.router.overlay.sleeve import SLEEVE
from weave_cli.router.wire.messages import (
    OverlayControl,
    Tag,
    decode_overlay_control,
    encode_overlay_control,
)

#: Tags that belong to overlays.
CONTROL_TAGS: Final = frozenset(
    {Tag.OVERLAY_ESTABLISHED, Tag.OVERLAY_FRAGMENTATION, Tag.OVERLAY_MTU, Tag.OVERLAY_CONTROL}
)
_MTU_SIZE: Final = 2


class ControlCodec:
    """The form of one connection."""

    def __init__(self, common: Sequence[str], *, is_compatible: bool) -> None:
        """`common`: the overlays in common, best first. `is_compatible`: the peer announced none."""
        self._common = tuple(common)
        self._is_compatible = is_compatible

    def encode(self, overlay: str, sub_tag: int, body: bytes) -> tuple[int, bytes]:
        """Tag and payload. Raises LocalProtocolError for what the peer cannot take."""
        if overlay not in self._common:
            raise LocalProtocolError(f"control message of overlay {overlay}, which the peer does not know")
        if not self._is_compatible:
            control = OverlayControl(self._common.index(overlay), sub_tag, body)
            return Tag.OVERLAY_CONTROL, encode_overlay_control(control)
        if sub_tag not in CONTROL_TAGS - {Tag.OVERLAY_CONTROL}:
            raise LocalProtocolError(f"control message {sub_tag} of {overlay} to a peer that knows three")
        return sub_tag, body

    def decode(self, tag: int, payload: bytes) -> tuple[str, int, bytes]:
        """Overlay, sub tag and body. Raises RemoteProtocolError for what no such peer may send."""
        if self._is_compatible:
            if tag == Tag.OVERLAY_CONTROL:
                raise RemoteProtocolError("overlay control message from a peer that announced no overlays")
            if tag == Tag.OVERLAY_MTU and len(payload) < _MTU_SIZE:
                raise RemoteProtocolError(f"path MTU message of {len(payload)} octets")
            return SLEEVE, tag, payload
        if tag != Tag.OVERLAY_CONTROL:
            raise RemoteProtocolError(f"message of tag {int(tag)} from a peer that announced overlays")
        control = decode_overlay_control(payload)
        if control.index >= len(self._common):
            raise RemoteProtocolError(
                f"control message of overlay number {control.index}, of {len(self._common)} in common"
            )
        return self._common[control.index], control.sub_tag, control.body
