"""A process that runs one DataPlane: lines of JSON on stdin say what to do, those on stdout what happened.

The test stands in for the mesh: it carries control messages from one process to another.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

from weave_cli.errors import HostProblem
from weave_cli.logs import start_logging
from weave_cli.names import PeerName
from weave_cli.router.runtime.dataplane import DataPlane
from weave_cli.router.runtime.plane_settings import DataPlaneSettings
from weave_cli.router.wire.intro import Features

#: Seconds; short, as tests wait for it.
LINGER_S = 1.0


def tell(event: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def start(plane: DataPlane, order: dict[str, Any]) -> None:
    features = Features(
        name=PeerName(order["peer"]),
        nickname=order["nickname"],
        uid=1,
        conn_id=1,
        short_id=None,
        trusted=False,
        overlays=tuple(order.get("overlays", ("vxlan", "sleeve"))),
        extra=order.get("extra", {"VxlanPort": "6784"}),
    )
    plane.start_connection(
        order["conn"],
        features,
        connection_uid=order["uid"],
        remote_ip=order["ip"],
        outbound=order.get("outbound", True),
        address=f"{order['ip']}:6783",
        session_key=bytes.fromhex(order["key"]) if "key" in order else None,
    )


def set_routes(plane: DataPlane, order: dict[str, Any]) -> None:
    """Names are hexadecimal: JSON has no other keys than texts."""
    unicast = {PeerName(int(name, 16)): PeerName(hop) for name, hop in order["unicast"].items()}
    broadcast = {PeerName(int(name, 16)): hops for name, hops in order["broadcast"].items()}
    plane.set_routes(unicast, lambda source: tuple(map(PeerName, broadcast.get(source, ()))))


def obey(plane: DataPlane, order: dict[str, Any]) -> None:
    match order["do"]:
        case "start":
            start(plane, order)
        case "control":
            payload = bytes.fromhex(order["payload"])
            plane.receive_control(order["conn"], order["tag"], payload)
        case "end":
            plane.end_connection(order["conn"])
        case "routes":
            set_routes(plane, order)
        case "sleeve":
            tell("sleeve", pid=plane.sleeve_pid)
        case "carriage":
            listed = plane.diagnostics()["vxlan"]["Carriage"]
            tell("carriage", to={one["Address"]: one["Carries"] for one in listed})
        case "attributes":
            tell("attributes", conn=order["conn"], **plane.attributes(order["conn"]))


async def run(name: int, linger_s: float) -> None:
    plane = DataPlane(
        DataPlaneSettings(name=PeerName(name), mesh_port=6783, linger_s=linger_s), rng=random.Random(name)
    )
    plane.report_to(
        on_established=lambda conn_id: tell("established", conn=conn_id),
        on_failed=lambda conn_id, reason: tell("failed", conn=conn_id, reason=reason),
        send_control=lambda conn_id, tag, payload: tell(
            "control", conn=conn_id, tag=tag, payload=payload.hex()
        ),
    )
    try:
        await plane.prepare()
        await plane.open()
    except HostProblem as problem:
        tell("problem", text=problem.message)
        return
    tell("ready", mtu=plane.mtu)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        obey(plane, json.loads(line))
    await plane.close()


if __name__ == "__main__":
    start_logging("debug")
    asyncio.run(run(int(sys.argv[1], 16), float(sys.argv[2])))
