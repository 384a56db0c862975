"""What would end a Go router, and is therefore never sent (specification mesh, sections 8 and 18). Pure.

Found by reading and running Go routers 1.4 to 2.8.1, each of which is one process for a whole host. The other
such messages have their guard where they are made: names said twice (nameserver.gossip), unicasts without
content (mesh.channels), rings that take unused ranges from others (docs/decisions/0006, 0009).
"""

from __future__ import annotations

from weave_cli.errors import LocalProtocolError
from weave_cli.router.wire.intro import Features
from weave_cli.router.wire.messages import Tag

_COMPATIBILITY_TAGS = frozenset({Tag.OVERLAY_ESTABLISHED, Tag.OVERLAY_FRAGMENTATION, Tag.OVERLAY_MTU})


def count_common_overlays(ours: Features, theirs: Features) -> int | None:
    """How many overlays tag 7 may speak of; None in compatibility mode, when a side announced none."""
    if ours.overlays is None or theirs.overlays is None:
        return None
    return len(set(ours.overlays) & set(theirs.overlays))


def check_outgoing(tag: int, payload: bytes, common_overlays: int | None) -> None:
    """Raise LocalProtocolError for a message that a Go router would index without looking.

    In compatibility mode they look: there is one overlay and no index.
    """
    if common_overlays is None:
        return
    if tag == Tag.OVERLAY_CONTROL:
        if len(payload) < 2:
            raise LocalProtocolError(f"overlay control message of {len(payload)} octets")
        if payload[0] >= common_overlays:
            raise LocalProtocolError(
                f"overlay control message for overlay {payload[0]} of {common_overlays} in common"
            )
    elif tag in _COMPATIBILITY_TAGS:
        raise LocalProtocolError(f"message with tag {tag} to a peer that has announced its overlays")
