"""Which commands run where they were typed, and what goes along with the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weave_cli.commands import forwarding, usage
from weave_cli.commands.place import Needs, must_go_elsewhere
from weave_cli.commands.tree import COMMANDS, run, weave
from weave_cli.commands.usage import Parcel, WeaveCommand, replace_file
from weave_cli.containers.errand import Errand
from weave_cli.containers.helper import OnOutput
from weave_cli.settings import forwarded_environment

pytestmark = pytest.mark.unit

HERE = {"is_socket": True, "is_linux": True, "is_root": True, "may_use_docker": True}


@pytest.mark.parametrize("needs", Needs)
def test_root_beside_the_engine_stays(needs: Needs) -> None:
    assert not must_go_elsewhere(needs, **HERE)


@pytest.mark.parametrize("change", [{"is_socket": False}, {"is_linux": False}])
def test_what_needs_the_host_goes_to_an_engine_elsewhere(change: dict[str, bool]) -> None:
    assert [must_go_elsewhere(needs, **{**HERE, **change}) for needs in Needs] == [False, True, True, True]


def test_user_of_docker_gets_help_with_what_takes_root() -> None:
    user = {**HERE, "is_root": False}
    assert [must_go_elsewhere(needs, **user) for needs in Needs] == [False, False, True, True]


def test_user_who_may_not_use_docker_is_told_what_is_missing() -> None:
    user = {**HERE, "is_root": False, "may_use_docker": False}
    assert not any(must_go_elsewhere(needs, **user) for needs in Needs)


def test_commands_that_only_ask_or_need_nothing_say_so() -> None:
    found: dict[Needs, set[str]] = {needs: set() for needs in Needs}
    for name in COMMANDS:
        command = weave.get_command(None, name)  # type: ignore[arg-type]
        assert isinstance(command, WeaveCommand)
        found[command.needs].add(name)
    assert found[Needs.NOTHING] >= {"setup", "env", "config", "version", "help", "run"}
    assert found[Needs.ROUTER] >= {"connect", "forget", "rmpeer", "prime", "dns-args", "dns-lookup", "report"}
    assert found[Needs.HOST] >= {"launch", "attach", "expose", "ps", "stop", "reset", "dns-add"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], bytes]]:
    """Words and input of what went elsewhere; its exit status is 7."""
    seen: list[tuple[list[str], bytes]] = []

    def forward(_: object, __: object, parcel: Parcel, **___: object) -> int:
        seen.append((list(parcel.words), parcel.typed))
        return 7

    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    monkeypatch.setattr(forwarding, "forward", forward)
    return seen


def test_words_go_as_they_were_typed_and_the_status_comes_back(
    sent: list[tuple[list[str], bytes]], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["-o", "json", "attach", "10.2.1.1/24", "box"]) == 7
    assert sent == [(["-o", "json", "attach", "10.2.1.1/24", "box"], b"")]
    assert capfd.readouterr().out == ""


def test_wrong_words_and_help_need_nobody(sent: list[tuple[list[str], bytes]]) -> None:
    assert run(["launch", "--nonsense"]) == 1
    assert run(["launch", "--help"]) == 0
    assert sent == []


def test_old_spellings_are_told_of_once(
    sent: list[tuple[list[str], bytes]], capfd: pytest.CaptureFixture[str]
) -> None:
    run(["launch", "10.0.0.1/24", "-nickname", "x"])
    assert sent == [(["launch", "--nickname", "x"], b"")]
    assert "deprecated" in capfd.readouterr().err


def test_password_file_is_read_here(
    sent: list[tuple[list[str], bytes]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = f"{tmp_path}/password"
    with open(path, "w") as file:
        file.write("corr3ct\r\n")
    assert run(["launch", "--password-file", path, "host2"]) == 1
    assert "open to others" in capfd.readouterr().err
    os.chmod(path, 0o600)
    assert run(["launch", "--password-file", path, "host2"]) == 7
    assert sent == [(["launch", "--password-file=-", "host2"], b"corr3ct\n")]


def test_only_the_file_s_name_is_replaced() -> None:
    words = ["launch", "--password-file=/x", "--nickname", "--", "--password-file", "y"]
    assert replace_file(words, "--password-file") == (
        *("launch", "--password-file=-", "--nickname"),
        *("--", "--password-file", "y"),
    )


def test_local_means_here(monkeypatch: pytest.MonkeyPatch, sent: list[tuple[list[str], bytes]]) -> None:
    monkeypatch.setenv("WEAVE_HTTP_ADDR", "127.0.0.1:1")
    assert run(["--local", "prime"]) == 1
    assert sent == []
    assert usage.LOCAL


def test_variables_that_lead_to_docker_do_not_go_there() -> None:
    environment = {
        "WEAVE_MTU": "1400", "DOCKER_BRIDGE": "br0", "DOCKER_HOST": "tcp://10.0.0.1:2376", "HOME": "/root",
        "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/root/certs", "NO_COLOR": "1",
    }  # fmt: skip
    assert forwarded_environment(environment) == {
        "WEAVE_MTU": "1400",
        "DOCKER_BRIDGE": "br0",
        "NO_COLOR": "1",
        "DOCKER_CLIENT_HOST": "tcp://10.0.0.1:2376",  # only to be named, not to be gone to
    }
    assert forwarded_environment({"DOCKER_HOST": "unix:///srv/d.sock"}) == {
        "DOCKER_HOST": "unix:///srv/d.sock"
    }


def test_picture_goes_into_a_file_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run_elsewhere(_: object, errand: Errand, on_output: OnOutput, *__: object, **___: object) -> int:
        assert errand.words == ("status", "topology", "--svg=-")
        on_output(1, b"<svg")
        on_output(1, b"/>")
        return 0

    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    monkeypatch.setattr(forwarding, "run_elsewhere", run_elsewhere)
    assert run(["status", "topology", "--svg", str(tmp_path / "mesh.svg")]) == 0
    assert (tmp_path / "mesh.svg").read_bytes() == b"<svg/>"
