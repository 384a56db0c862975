"""Connections and peers as the router tells of them. Reads only."""

from __future__ import annotations

from weave_cli.doctor.checks.connections import ConnectionFacts, PathFacts
from weave_cli.doctor.facts.circumstances import Circumstances
from weave_cli.host.bridge import read_bridge
from weave_cli.host.underlay import read_underlay_mtu
from weave_cli.report_states import find_remote


def read_paths(around: Circumstances) -> PathFacts:
    report, bridge = around.report, read_bridge()
    return PathFacts(
        connections=tuple(
            ConnectionFacts(
                address=one["Address"],
                peer=(find_remote(one["Info"]) or ("", ""))[1],
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
