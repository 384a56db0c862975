"""Configurations that old clients send with the start of a container (pure; specification plugin, 9.3).

Before API 1.22, what a start says replaces what the container was made with: our mount and weaveDNS must be
put back. It may say it under `HostConfig` or at the top. The waiting program itself stays in any case.
"""

from __future__ import annotations

from weave_cli.proxy.rewriting.creation import Resolver, set_resolver
from weave_cli.proxy.rewriting.documents import Document, get_field, get_text
from weave_cli.proxy.rewriting.mark import add_mount
from weave_cli.proxy.rewriting.membership import is_shared
from weave_cli.proxy.rewriting.workload import Workload


def restore_host_config(document: Document, container: Workload, resolver: Resolver | None) -> str | None:
    """Put back in place what belongs there; gives the network mode that it will have.

    None when the request says nothing that replaces anything.
    """
    nested = get_field(document, "HostConfig")
    if isinstance(nested, dict):
        host_config = nested
    elif document and nested is None and not any(key.lower() == "hostconfig" for key in document):
        host_config = document  # whatever it says, Docker may take it for that
    else:
        return None
    add_mount(host_config, container.directory)
    mode = get_text(host_config, "NetworkMode")
    if resolver is not None and not is_shared(mode):
        set_resolver(host_config, resolver, is_named=bool(container.hostname))
    return mode
