"""Channels that only our routers know, `weave-inquiry` and `networks`, with a Go router in the middle."""

from __future__ import annotations

import json
from typing import Any

from tests.interop.conftest import MakePeer
from tests.interop.peers import Peer, logs_of, wait_for_chain
from tests.kernel.programs import eventually

_QUESTIONS = ("facts", "responder", "seen")


def _networks(peer: Peer) -> set[str]:
    """Names of those that are not removed."""
    status, body = peer.ask("GET", "/network")
    assert status == 200, body
    return {row["name"] for row in json.loads(body) if not row["removed"]}


def _ask(peer: Peer, want: str) -> dict[str, Any]:
    """What each other peer answers, by its name; None for silence."""
    status, body = peer.ask("GET", f"/inquiry/{want}")
    assert status == 200, body
    return {row["name"]: row["content"] for row in json.loads(body)}


def test_a_go_router_passes_on_what_only_ours_understand(make_peer: MakePeer) -> None:
    one, go, two = make_peer("our"), make_peer("go"), make_peer("our")
    one.start(options=("--no-discovery",))
    go.start(one, options=("--no-discovery",))
    two.start(go, options=("--no-discovery",))
    wait_for_chain((one, go, two))
    for want in _QUESTIONS * 3:
        answers = _ask(one, want)
        assert answers[go.name] is None, "what is for itself it does not understand"
        assert answers[two.name] is not None, logs_of(one, go, two)
    assert one.ask("PUT", "/network/shop?subnet=10.32.8.0/24&internal=true")[0] == 204
    eventually(lambda: "shop" in _networks(two), lambda: logs_of(one, go, two), 60)
    # A new connection begins with all that is known on every channel.
    two.kill()
    two.start(go, options=("--no-discovery",))
    wait_for_chain((one, go, two))
    assert two.ask("DELETE", "/network/shop")[0] == 204
    eventually(lambda: "shop" not in _networks(one), lambda: logs_of(one, go, two), 60)
    assert _ask(two, "facts")[one.name] is not None
    # Nobody took anything of it for a reason to hang up.
    assert "networks" not in go.connection_lines() and "inquiry" not in go.connection_lines()
    for peer in (one, two):
        assert peer.established_with() == {go.name}
        assert "protocol" not in peer.connection_lines()
