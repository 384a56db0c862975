"""How a frame is made to fit a sleeve link (specification overlay, 3.4, 1-3). Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from weave_cli.router.overlay.icmp import fragmentation_needed
from weave_cli.router.overlay.ip_fragments import fragment_frame, has_df, ip_header_length
from weave_cli.router.overlay.sleeve_packets import ETHERNET_HEADER_LEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The frames to send, and in which stream; or none, and why, and perhaps an answer to the sender."""

    frames: tuple[bytes, ...] = ()
    dont_fragment: bool = True
    answer: bytes | None = None
    why_dropped: str = ""


def fit_frame(frame: bytes, *, mtu: int, fragments_pass: bool, is_flooded: bool) -> Fitted:
    """What to send for a frame over a link that carries IP packets of `mtu` octets unfragmented."""
    header = ip_header_length(frame)
    fits = len(frame) <= mtu + ETHERNET_HEADER_LEN
    if header is not None and has_df(frame):
        if fits:
            return Fitted(frames=(frame,))
        answer = None if is_flooded else fragmentation_needed(frame, header, mtu)
        return Fitted(answer=answer, why_dropped="too big for the path, and must not be fragmented")
    if fragments_pass or header is None:
        return Fitted(frames=(frame,), dont_fragment=False)
    if fits:
        return Fitted(frames=(frame,))
    return Fitted(frames=tuple(fragment_frame(frame, header, mtu)))
