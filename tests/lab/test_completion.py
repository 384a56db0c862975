"""Completion in real shells, of what is really there: containers, networks, peers and names of a host."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.lab.asking import launch_joined
from tests.lab.hosts import LabHost
from tests.lab.terminal import Terminal

_SCRIPTS: Final = Path(__file__).parents[2] / "completions"

#: What is typed, and the word that a shell with nothing else to offer completes it to.
_TYPED: Final = (
    ("weave attach we", "web-1"),
    ("weave start sl", "sleeper"),
    ("weave forget 10.", "{two}"),
    ("weave dns-lookup web-1.", "web-1.weave.local"),
    ("weave run -d --net we", "-d --net weave"),
    ("weave launch --log-level=deb", "--log-level=debug"),
    ("weave status topo", "topology"),
)


def test_shells_complete_what_is_there(two_hosts: tuple[LabHost, LabHost]) -> None:
    one, two = two_hosts
    launch_joined(two_hosts)
    one.run(f"weave connect {two.ip}")
    one.run("docker run -tdi --net weave --name web-1 -h web-1.weave.local busybox")
    one.run("docker create --name sleeper busybox")
    typed = [(line, word.format(two=two.ip)) for line, word in _TYPED]
    _in_bash(one, typed)
    _in_zsh(one, typed)
    for line, word in typed:
        offered = one.run(f"fish --no-config -c 'source {_SCRIPTS}/weave.fish; complete -C \"{line}\"'")
        assert word.split()[-1] in [row.partition("\t")[0] for row in offered.splitlines()]


def test_shells_hear_nothing_of_a_host_without_docker_and_router(host: LabHost) -> None:
    for shell, begin in (
        ("bash --norc -i", f"source {_SCRIPTS}/weave.bash"),
        ("zsh -f -i", f"autoload -Uz compinit; compinit -u -D; source {_SCRIPTS}/weave.zsh"),
    ):
        with host.terminal(f"DOCKER_HOST=unix:///nowhere {shell}") as terminal:
            terminal.type(f"PS1='ready> '; {begin}; echo sour''ced")
            terminal.wait_for("sourced\n.*ready> ")
            terminal.press("weave attach \t\x15echo qui''et\n")
            assert "ocker" not in terminal.wait_for("quiet\n").replace("DOCKER_HOST", "")
    silent = host.run(
        f"DOCKER_HOST=unix:///nowhere fish --no-config -c "
        f"'source {_SCRIPTS}/weave.fish; complete -C \"weave attach \"' 2>&1"
    )
    assert silent == ""


def _in_bash(host: LabHost, typed: list[tuple[str, str]]) -> None:
    with host.terminal("bash --norc -i") as bash:
        bash.type(f"PS1='ready> '; source {_SCRIPTS}/weave.bash; echo sour''ced")
        bash.wait_for("sourced\n.*ready> ")
        for line, word in typed:
            _press_tab(bash, line, word)


def _in_zsh(host: LabHost, typed: list[tuple[str, str]]) -> None:
    with host.terminal("zsh -f -i") as zsh:
        zsh.type(
            "PS1='ready> '; unsetopt zle_bracketed_paste prompt_sp; autoload -Uz compinit; compinit -u -D"
        )
        zsh.type(f"source {_SCRIPTS}/weave.zsh; echo sour''ced")
        zsh.wait_for("sourced\n.*ready> ")
        for line, word in typed:
            _press_tab(zsh, line, word)


def _press_tab(shell: Terminal, line: str, word: str) -> None:
    """As somebody does who sees nothing come of it: an answer may be given up on a busy machine."""
    for _ in range(4):
        shell.press(f"\x15{line}\t")
        try:
            shell.wait_for(f"{word} ", within_s=5)
        except AssertionError as never:
            last = never
        else:
            return
    raise last
