"""Can this kernel carry the network: devices, and firewall rules of both kinds that we write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from weave_cli.doctor.findings import Finding, failure, ok, warning

_LOWEST: Final = (4, 3)  # forwarding entries of VXLAN devices per destination, bridge port isolation

_MODULES: Final = {"bridge": "bridge", "veth": "veth", "vxlan": "vxlan", "tap": "tun", "rules": "xt_addrtype"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """refusals: bridge, veth, vxlan, tap, rules -> why the kernel refuses to make it; None: it does not."""

    release: str
    refusals: Mapping[str, str | None]


def check_kernel(facts: KernelFacts) -> Iterator[Finding]:
    match = re.match(r"(\d+)\.(\d+)", facts.release)
    if match and (int(match[1]), int(match[2])) < _LOWEST:
        needed = ".".join(map(str, _LOWEST))
        yield warning(
            "kernel.version",
            f"kernel {facts.release} is older than {needed}",
            why="forwarding entries and isolated bridge ports may be missing",
            mend=f"Install a kernel of version {needed} or newer.",
        )
    else:
        yield ok("kernel.version", f"kernel {facts.release}")
    for trial, refusal in facts.refusals.items():
        what = "our firewall rules" if trial == "rules" else f"a {trial} device"
        if refusal is None:
            yield ok(f"kernel.{trial}", f"{what} can be made")
        else:
            yield failure(
                f"kernel.{trial}",
                f"{what} cannot be made: {refusal}",
                why="the router makes it at its start, and does not start without",
                mend=f"modprobe {_MODULES[trial]}",
            )
