"""Our image ahead of launch, and which versions are here."""

from __future__ import annotations

from collections.abc import Iterator

from weave_cli import __version__
from weave_cli.containers import lookup
from weave_cli.containers.client import Docker
from weave_cli.images.builder import build_image, find_image, restore_image
from weave_cli.names import PLUGIN_CONTAINER, ROUTER_CONTAINER
from weave_cli.operations.reporter import Reporter


def setup(client: Docker, reporter: Reporter) -> None:
    """Build the image unless Docker has it, made from this very installation."""
    if find_image(client) != "current" and not restore_image(client):
        build_image(client, reporter.progress)


def list_versions(
    client: Docker, reporter: Reporter, *, router: str = ROUTER_CONTAINER
) -> Iterator[tuple[str, str]]:
    """Component and version: of its running container, else of the image that a launch would take."""
    has_image = find_image(client) != "missing"
    for component, name in (("router", router), ("plugin", PLUGIN_CONTAINER)):
        found = lookup.find_our_container(client, name)
        if found is not None and found.version is not None and found.is_running:
            yield component, found.version
        elif has_image:
            yield component, __version__
        else:
            reporter.notice(f"There is no image for the {component} yet: 'weave setup' makes it.")
