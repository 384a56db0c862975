"""Addresses given and taken, as attach, detach, expose and hide answer them."""

from __future__ import annotations

from collections.abc import Sequence

from weave_cli.addresses import Cidr, format_address
from weave_cli.output.answer import Output


def answer_addresses(output: Output, cidrs: Sequence[Cidr]) -> None:
    """For people: without prefix, on one line that is empty when there are none (specification cli, 5)."""
    plain = [format_address(cidr.address) for cidr in cidrs]
    found = [
        {"address": address, "prefixLength": cidr.prefix_len}
        for address, cidr in zip(plain, cidrs, strict=True)
    ]
    output.answer("Addresses", {"addresses": found}, text=" ".join(plain) + "\n")
