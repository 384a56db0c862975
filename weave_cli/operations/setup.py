"""Our image ahead of launch."""

from __future__ import annotations

from weave_cli.containers.client import Docker
from weave_cli.images.builder import build_image, find_image, restore_image
from weave_cli.operations.reporter import Reporter


def setup(client: Docker, reporter: Reporter) -> None:
    """Build the image unless Docker has it, made from this very installation."""
    if find_image(client) != "current" and not restore_image(client):
        build_image(client, reporter.progress)
