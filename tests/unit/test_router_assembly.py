"""The router put together, as far as it goes without a host to change."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.until import until
from weave_cli.errors import HostProblem, UsageProblem
from weave_cli.router.assembly import Weaver
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.options import parse_options

HOUR_S = 3600.0


@pytest.fixture
def weaver(tmp_path: Path) -> Iterator[Weaver]:
    made = Weaver(parse_options([f"--state-dir={tmp_path}", "--name=7a:00:00:00:00:01", "--port=16783"]))
    yield made
    made._store.close()


def until_alarm_s(weaver: Weaver) -> float:
    """How long it is until the router wakes by itself."""
    assert weaver._pump._timer is not None
    return weaver._pump._timer.when() - asyncio.get_running_loop().time()


def test_clock_that_is_set_back_delays_nothing(
    weaver: Weaver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def set_back() -> None:
        target = DirectTarget(text="host9", address="10.9.9.9:1")
        weaver._node.connect([target], replace=False, now=time.time())
        weaver._node.dial_failed(target.address, "refused", time.time())
        weaver._registry.add("gone.weave.local.", "c", 1, time.time())  # type: ignore[union-attr]
        weaver._registry.remove(now=time.time())  # type: ignore[union-attr]
        weaver._allocator.wait_for_ring(1, time.time())  # type: ignore[union-attr]
        weaver._pump.run()
        monkeypatch.setattr(weaver._pump, "_clock", lambda: time.time() - HOUR_S)
        weaver._pump.run()
        assert until_alarm_s(weaver) < 30
        assert weaver._pump._timer is not None
        weaver._pump._timer.cancel()
        now = time.time() - HOUR_S
        parts = (weaver._node, weaver._allocator, weaver._registry)
        assert [part.next_wake() < now + 30 for part in parts] == [True] * 3  # type: ignore
        (shown,) = weaver._node.targets()
        assert shown.next_try is not None and shown.next_try < now + 30

    caplog.set_level(logging.WARNING)
    asyncio.run(set_back())
    assert caplog.messages == ["the clock was set back by 3600 s"]


@pytest.mark.parametrize("options", [["--resume"], ["10.9.9.2"]], ids=["resumed", "named anew"])
def test_a_new_launch_wants_the_peers_of_the_last_one_if_it_resumes(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ground = [f"--state-dir={tmp_path}", "--http-addr=127.0.0.1:0", "--port=16783", "--no-dns"]
    weaver = Weaver(parse_options([*ground, *options]))
    weaver._store.save_targets(["10.9.9.1"])
    weaver._store.commit()

    async def succeed() -> None: ...

    monkeypatch.setattr(weaver._dataplane, "prepare", succeed)
    monkeypatch.setattr(weaver._dataplane, "open", succeed)
    monkeypatch.setattr(weaver._transport, "listen", succeed)

    async def launch() -> None:
        await weaver.start(asyncio.Event())
        wanted = weaver._node.direct_targets()
        assert wanted == (("10.9.9.1",) if options == ["--resume"] else ("10.9.9.2",))
        assert weaver._store.targets() == list(wanted)
        await weaver.stop()

    asyncio.run(launch())


def test_connect_during_a_restart_forgets_no_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("restart.sentinel").touch()
    weaver = Weaver(parse_options([f"--state-dir={tmp_path}", "--http-addr=127.0.0.1:0", "--port=16783"]))
    weaver._store.save_targets(["10.9.9.1"])
    weaver._store.commit()

    async def refuse() -> None:
        await weaver.connect(["10.9.9.2"], replace=False)
        raise HostProblem("no bridge")

    monkeypatch.setattr(weaver._dataplane, "prepare", refuse)

    async def restart() -> None:
        with pytest.raises(HostProblem):
            await weaver.start(asyncio.Event())
        assert weaver._store.targets() == ["10.9.9.2", "10.9.9.1"]
        await weaver.stop()

    asyncio.run(restart())


@pytest.mark.parametrize("is_restart", [False, True])
def test_a_resolver_that_does_not_answer_holds_up_no_end(
    is_restart: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if is_restart:
        Path("restart.sentinel").touch()
    asked, answers = threading.Event(), threading.Event()
    done: list[bool] = []

    def look_up(*question: object, **more: object) -> None:
        asked.set()
        done.append(answers.wait(20))
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    async def succeed() -> None: ...

    options = ["--http-addr=127.0.0.1:0", "--no-dns", f"--state-dir={tmp_path}", "--port=16783", "host2"]
    weaver = Weaver(parse_options(options))
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(weaver._dataplane, "prepare", succeed)
    monkeypatch.setattr(weaver._dataplane, "open", succeed)
    monkeypatch.setattr(weaver._transport, "listen", succeed)
    monkeypatch.setattr(weaver._api, "start", succeed)  # it asks the resolver for its own address

    async def end() -> None:
        stopping = asyncio.Event()
        start = asyncio.create_task(weaver.start(stopping))
        await until(asked.is_set)
        stopping.set()
        await start
        assert weaver.is_ready == is_restart
        await weaver.stop()

    asyncio.run(end())
    assert done == []
    answers.set()


def test_alarm_that_fails_is_not_the_last_one(weaver: Weaver, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(now: float) -> None:
        raise ValueError("a defect")

    async def wake() -> None:
        monkeypatch.setattr(weaver._node, "on_wake", fail)
        with pytest.raises(ValueError, match="a defect"):
            weaver._pump._on_alarm()
        assert 0 < until_alarm_s(weaver) < 30
        assert weaver._pump._timer is not None
        weaver._pump._timer.cancel()

    asyncio.run(wake())


def test_start_that_fails_late_leaves_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--http-addr=127.0.0.1:0", "--dns-listen-address=127.0.0.1:0", f"--state-dir={tmp_path}"]
    weaver = Weaver(parse_options(options))

    async def succeed() -> None: ...

    async def fail() -> None:
        raise HostProblem("port in use")

    monkeypatch.setattr(weaver._dataplane, "prepare", succeed)
    monkeypatch.setattr(weaver._dataplane, "open", succeed)
    monkeypatch.setattr(weaver._transport, "listen", fail)

    async def start() -> None:
        with pytest.raises(HostProblem):
            await weaver.start(asyncio.Event())
        await weaver.stop()

    asyncio.run(start())
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("dns-")]


@pytest.mark.parametrize(
    "request_octets", [b"POST /ip/c1 HTTP/1.0\r\n\r\n", b"POST /ip/c1 HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_calls_that_wait_when_the_router_stops_are_answered(tmp_path: Path, request_octets: bytes) -> None:
    options = [f"--state-dir={tmp_path}", "--http-addr=127.0.0.1:0", "--init-peer-count=3"]
    weaver = Weaver(parse_options(options))

    async def stop() -> None:
        await weaver._api.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", weaver._api.port)
        writer.write(request_octets)
        assert weaver.addresses is not None
        desk = weaver.addresses
        await until(lambda: desk._waiting)
        await weaver.stop()
        answer = await reader.read()
        assert answer[8:15] == b" 200 OK" and answer.endswith(b"\r\n\r\ncancelled")
        writer.close()

    asyncio.run(stop())


@pytest.mark.parametrize(
    ("option", "entries"),
    [
        ("--ipalloc-init=seed=7a::2,7a::1", [1, 2]),
        ("--ipalloc-init=observer", []),
        ("--init-peer-count=1", []),
    ],
)
def test_first_ring_is_made_as_the_operator_says(tmp_path: Path, option: str, entries: list[int]) -> None:
    weaver = Weaver(
        parse_options([f"--state-dir={tmp_path}", "--name=7a::1", "--http-addr=127.0.0.1:0", option])
    )
    assert weaver._allocator is not None
    view = weaver._allocator.view()
    assert [one.peer & 0xFF for one in view.entries] == entries
    assert view.is_elector == ("observer" not in option)
    weaver._store.close()


@pytest.mark.parametrize("option", ["--ipalloc-init=observer", "--init-peer-count=3"])
def test_first_ring_without_a_range_is_refused(option: str) -> None:
    with pytest.raises(UsageProblem, match="--ipalloc-init needs an --ipalloc-range"):
        parse_options(["--ipalloc-range=", option])


def test_password_comes_from_its_file_and_goes_into_keys_only(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text("wEaVe\n")
    weaver = Weaver(parse_options([f"--state-dir={tmp_path}", f"--password-file={file}"]))
    introduction = weaver._transport._introduction
    assert introduction.make_secret is not None
    one, other = introduction.make_secret(), introduction.make_secret()
    assert one.password == other.password == b"wEaVe"
    assert one.private_key != other.private_key
    report = weaver.report()
    assert report["Router"]["Encryption"]
    assert "wEaVe" not in str(report)
    weaver._store.close()


def test_router_does_not_start_without_the_password_it_was_promised(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="cannot read password file"):
        Weaver(parse_options([f"--state-dir={tmp_path}", f"--password-file={tmp_path}/absent"]))


def test_peers_in_trusted_subnets_are_told_so(tmp_path: Path) -> None:
    words = [f"--state-dir={tmp_path}", "--trusted-subnets=10.1.0.0/16,192.168.7.9/24"]
    weaver = Weaver(parse_options(words))
    told = {ip: weaver._trusts(ip) for ip in ("10.1.255.1", "192.168.7.1", "10.2.0.1")}
    assert told == {"10.1.255.1": True, "192.168.7.1": True, "10.2.0.1": False}
    assert weaver.report()["Router"]["TrustedSubnets"] == ["10.1.0.0/16", "192.168.7.0/24"]
    weaver._store.close()


@pytest.mark.parametrize("version", ["0", "3", "-1"])
def test_protocol_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(UsageProblem, match="min-protocol-version"):
        parse_options([f"--min-protocol-version={version}"])
