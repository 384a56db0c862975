"""What `docker inspect` shows of a network with --rewrite-inspect (pure; specification plugin, 9.3)."""

from __future__ import annotations

from weave_cli.proxy.rewriting.documents import Document, get_object


def show_network(facts: Document, mac: str, address: str, prefix_len: int) -> None:
    """The container's place on our network, where Docker shows that on its own bridge."""
    settings = get_object(facts, "NetworkSettings")
    settings["MacAddress"] = mac
    settings["IPAddress"] = address
    settings["IPPrefixLen"] = prefix_len
    facts["NetworkSettings"] = settings
