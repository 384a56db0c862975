"""Brings the host's firewall to the rules asked for, in the backend that Docker's own rules use.

Both backends may be installed, each with rules of its own that the other does not show; a packet must pass
both. Ours stand beside Docker's, so that the order among them means something.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.binaries import run_program
from weave_cli.host.rules import FILTER, TABLES, FirewallFacts, plan_removal, plan_repair, wanted_chains
from weave_cli.names import JOINT_PREFIX

NFT: Final = "iptables-nft"
LEGACY: Final = "iptables-legacy"
DEFAULT: Final = "iptables"

#: Tables that the legacy backend has in this network namespace; asking the program itself would create them.
_LEGACY_TABLES: Final = Path("/proc/thread-self/net/ip_tables_names")
_DOCKER_CHAINS: Final = ("-N DOCKER", "-N DOCKER-USER")


def find_backend() -> str:
    """The program to use: of the backend that has Docker's chains, else the host's default.

    Raises HostProblem when no iptables is installed.
    """
    for backend in (NFT, LEGACY):
        if _has_docker(backend):
            return backend
    run_program([DEFAULT, "--version"])
    return DEFAULT


def ensure_rules(facts: FirewallFacts) -> bool:
    """Make our chains and jumps right; True when something had to be changed. Cheap when nothing had to."""
    return make_rules(find_backend(), _with_joint(facts))


def find_repairs(facts: FirewallFacts, backend: str) -> list[str]:
    """What `ensure_rules` would change, as lines for `iptables-restore`; none where all is well."""
    chains = wanted_chains(_with_joint(facts))
    return [line for table in TABLES for line in plan_repair(list_rules(backend, table), chains, table)]


def find_docker_backends() -> list[str]:
    """The backends that have Docker's chains."""
    return [backend for backend in (NFT, LEGACY) if _has_docker(backend)]


def make_rules(backend: str, facts: FirewallFacts) -> bool:
    """What `ensure_rules` does, in that backend, whatever Docker uses. Raises HostProblem."""
    chains = wanted_chains(facts)
    lines = [line for table in TABLES for line in plan_repair(_list(backend, table), chains, table)]
    return _restore(backend, lines)


def remove_rules() -> None:
    """Leave nothing of ours, in any backend; a host without iptables has nothing of ours."""
    chains = wanted_chains(FirewallFacts())
    for backend in (NFT, LEGACY):
        for table in TABLES:
            _restore(backend, plan_removal(list_rules(backend, table), chains, table))


def list_our_chains() -> list[str]:
    """The names of those that `remove_rules` removes, each with its table."""
    wanted = {chain.name: chain.table for chain in wanted_chains(FirewallFacts())}
    found = (
        f"{table}/{name}"
        for backend in (NFT, LEGACY)
        for table in TABLES
        for listing in (list_rules(backend, table),)
        for name, of in wanted.items()
        if of == table and f"-N {name}" in listing
    )
    return list(dict.fromkeys(found))


def list_rules(backend: str, table: str = FILTER) -> list[str]:
    """A table of that backend as `iptables -S` prints it; empty when it has none."""
    if backend == LEGACY and not _legacy_has(table):
        return []
    try:
        return _list(backend, table)
    except HostProblem:
        return []


def _with_joint(facts: FirewallFacts) -> FirewallFacts:
    """With what only the host knows: is another bridge tied to ours?"""
    return replace(facts, is_joined=any(name.startswith(JOINT_PREFIX) for _, name in socket.if_nameindex()))


def _has_docker(backend: str) -> bool:
    listing = list_rules(backend)
    return any(chain in listing for chain in _DOCKER_CHAINS)


def _legacy_has(table: str) -> bool:
    try:
        return table in _LEGACY_TABLES.read_text().split()
    except OSError:
        return False


def _list(backend: str, table: str) -> list[str]:
    done = run_program([backend, "-w", "-t", table, "-S"])
    if done.status != 0:
        raise HostProblem(
            f"cannot read the firewall rules: {done.stderr.strip()}",
            hint=_hint(done.stderr),
            code=Code.FIREWALL,
        )
    return done.stdout.splitlines()


def _restore(backend: str, lines: Sequence[str]) -> bool:
    if not lines:
        return False
    done = run_program([f"{backend}-restore", "-w", "--noflush"], stdin="\n".join(lines) + "\n")
    if done.status != 0:
        raise HostProblem(
            f"cannot change the firewall rules: {done.stderr.strip()}",
            hint=_hint(done.stderr),
            code=Code.FIREWALL,
        )
    return True


def _hint(stderr: str) -> str | None:
    if "ermission denied" in stderr or "not permitted" in stderr:
        return "This needs the capability NET_ADMIN in the host's network: run it as root."
    return None
