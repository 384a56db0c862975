"""Connections and peers as the router tells of them. Reads only."""

from __future__ import annotations

import re
from typing import Final

from weave_cli.doctor.checks.connections import ConnectionFacts, PathFacts
from weave_cli.doctor.facts.circumstances import Circumstances
from weave_cli.host.bridge import read_bridge
from weave_cli.host.underlay import read_underlay_mtu

#: The end of a live connection's text: `MAC(NICKNAME)`.
_PEER: Final = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\((.*)\)\s*$")


def read_paths(around: Circumstances) -> PathFacts:
    report, bridge = around.report, read_bridge()
    return PathFacts(
        connections=tuple(
            ConnectionFacts(
                address=one["Address"],
                peer=_find_nickname(one["Info"]),
                state=one["State"],
                info=one["Info"],
                attributes=one["Attrs"] or {},
            )
            for one in around.connections
        ),
        mtu=None if bridge is None else bridge.mtu,
        underlay_mtu=read_underlay_mtu(),
        is_encrypted=report is not None and report["Router"]["Encryption"],
        port=around.port,
    )


def _find_nickname(info: str) -> str:
    match = _PEER.search(info)
    return match[1] if match else ""
