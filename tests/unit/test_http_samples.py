"""The API over loopback, with real parts behind it, against the answers of a Go router."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.api_router import THEM, US, ApiRouter, running
from tests.vectors.load import load
from weave_cli import __version__
from weave_cli.router.http.server import INSTANCE_HEADER
from weave_cli.router.mesh.peers import Link, Peer
from weave_cli.router.mesh.topology import encode_peers

SAMPLES = load("http-samples")["vectors"]

#: What the other peer says of itself; the recorded router had it from the network.
TOPOLOGY = encode_peers(
    [
        Peer(
            name=THEM,
            nickname="host2",
            uid=17964041198233665175,
            version=2,
            short_id=692,
            links=(Link(remote=US, address="10.198.0.1:6783", outbound=True, established=True),),
        )
    ]
)

#: Answers that are not the Go router's on purpose: pattern, what we say, reason.
DIFFERENCES = [
    (r"2\.8\.1( \(version check update disabled\))?", __version__, "we are another program, and ask nobody"),
    (r"sleeve (7a:\S+) mtu=1438", r"vxlan  \1 mtu=1450", "we have another overlay"),
    (r"<text of the resolver error>", "Name or service not known", "the resolver is the test's"),
]

#: Paths that we do not have.
ABSENT = {
    "/metrics": "not asked for yet",
}


def is_ours(sample: dict[str, Any]) -> bool:
    return "port" not in sample and not sample["path"].startswith(tuple(ABSENT))


def ours_instead(text: str) -> str:
    for pattern, instead, _reason in DIFFERENCES:
        text = re.sub(pattern, instead, text)
    return text


@pytest.fixture
def no_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names do not resolve, addresses do; nothing leaves this machine."""
    real = socket.getaddrinfo

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        if re.fullmatch(r"[0-9.]+", host):
            return real(host, *args, **kwargs)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    yield


def form_of(sample: dict[str, Any]) -> list[tuple[str, str]] | None:
    """The parameters, repeated ones as often as they stand there."""
    if "form" not in sample:
        return None
    return [
        (key, value)
        for key, values in sample["form"].items()
        for value in (values if isinstance(values, list) else [values])
    ]


def test_recorded_conversation_is_answered_alike(tmp_path: Path, no_resolver: None) -> None:
    async def converse() -> None:
        router = ApiRouter(tmp_path / "weave.db")
        router.meet(TOPOLOGY)
        async with running(router) as ask:
            for number, sample in enumerate(SAMPLES):
                if not is_ours(sample):
                    continue
                headers = sample.get("headers", {})
                answer = await ask(sample["method"], sample["path"], headers=headers, data=form_of(sample))
                where = f"{number}: {sample['method']} {sample['path']}"
                assert answer.status == sample["status"], where
                assert answer.headers[INSTANCE_HEADER] == "4711", where
                content_type = answer.headers.get("Content-Type")
                if sample["content_type"] == "application/json":
                    assert content_type is not None and content_type.startswith("application/json"), where
                else:
                    assert content_type == sample["content_type"], where
                if sample["path"] == "/report" and headers:
                    check_report(await answer.json(), sample["body"])
                else:
                    assert await answer.text() == ours_instead(sample["body"]), where

    asyncio.run(converse())


def test_difference_is_still_one() -> None:
    """A pattern that matches nothing that was recorded says nothing of us."""
    bodies = "".join(sample["body"] for sample in SAMPLES if is_ours(sample))
    for pattern, instead, reason in DIFFERENCES:
        assert re.search(pattern, bodies), pattern
        assert reason
        assert re.sub(pattern, instead, bodies) != bodies, pattern
    for prefix in ABSENT:
        assert any(sample["path"].startswith(prefix) for sample in SAMPLES)


#: Parts of the report that are not the recorded ones: our words, and lists that Go leaves null.
REPORT_DIFFERENCES = {
    "Version",
    "OverlayDiagnostics",
    "Interface",
    "CaptureStats",
    "MACs",
    "Info",
    "Attrs",
}


def check_report(ours: Any, recorded: str) -> None:
    compare(ours, json.loads(recorded), "report")


def compare(ours: Any, theirs: Any, where: str) -> None:
    """Same keys in the same order, same values, but for the differences above."""
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key, value in theirs.items():
            if key not in REPORT_DIFFERENCES:
                compare(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            compare(one, other, f"{where}[{number}]")
    else:
        assert ours == theirs or (theirs is None and ours == []), where
