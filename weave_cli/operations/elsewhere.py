"""Run a command on the host that Docker is on. The image for that is made if need be."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from weave_cli.containers.engine_http import call
from weave_cli.containers.errand import Errand
from weave_cli.containers.helper import OnOutput, run_in_container, run_in_helper
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import DockerProblem, HostProblem
from weave_cli.images.recipe import CONTENT_LABEL, content_id
from weave_cli.names import PLUGIN_CONTAINER, image_name
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

#: Docker's words for machines, by those of the kernel.
_ARCHITECTURES: Final = {
    "x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm", "armv6l": "arm",
}  # fmt: skip


def run_elsewhere(
    settings: Settings, errand: Errand, on_output: OnOutput, reporter: Reporter, *, needs_host: bool
) -> int:
    """The exit status of the errand; raises DockerProblem or HostProblem when it cannot be run.

    What does not need all of the host is done in the plugin's container when that is of the same
    installation, in a fraction of the time.
    """
    content = _find_content()
    if not needs_host and content is not None and _is_plugin_of(settings, content):
        # It has Docker's socket at the usual place, wherever the host has it.
        environment = {name: text for name, text in errand.environment.items() if name != "DOCKER_HOST"}
        inside = replace(errand, environment=environment)
        status = run_in_container(settings, PLUGIN_CONTAINER, inside, on_output)
        if status is not None:
            return status
    image = _find_image(settings, content) or _make_image(settings, content, reporter)
    return run_in_helper(settings, image, errand, on_output)


def _find_content() -> str | None:
    """What the image must be of; None on a machine that can make none."""
    try:
        return content_id()
    except HostProblem:
        return None


def _is_plugin_of(settings: Settings, content: str) -> bool:
    status, facts = call(settings, "GET", f"/containers/{PLUGIN_CONTAINER}/json")
    return bool(
        status == 200
        and facts["State"]["Status"] == "running"
        and (facts["Config"].get("Labels") or {}).get(CONTENT_LABEL) == content
    )


def _find_image(settings: Settings, content: str | None) -> str | None:
    """The id of the image of this installation; where there can be none, that of the same version."""
    filters: Mapping[str, Any] = (
        {"reference": [image_name()]} if content is None else {"label": [f"{CONTENT_LABEL}={content}"]}
    )
    status, found = call(settings, "GET", f"/images/json?filters={quote(json.dumps(filters))}")
    if status != 200:
        raise DockerProblem(f"Docker refuses to tell of images: {(found or {}).get('message', status)}")
    return str(found[0]["Id"]) if found else None


def _make_image(settings: Settings, content: str | None, reporter: Reporter) -> str:
    """Imports it into the engine, over the network if that is where it is."""
    # Imported here: Docker's SDK takes long to import, and this is seldom needed.
    from weave_cli.containers.client import open_docker
    from weave_cli.images.builder import build_image

    if content is None:
        raise HostProblem(
            f"Docker at {settings.docker_place} has no image {image_name()}, and this machine cannot make it",
            hint="Run 'weave setup' on that host, with the same version of weave.",
            code=Code.IMAGE,
        )
    client = open_docker(settings)
    check_architecture(str(client.version().get("Arch") or ""), platform.machine())
    reporter.notice(
        f"Making the image {image_name()} in Docker at {settings.docker_place}:\n"
        "it is not there, or is of another installation. This is done once.",
        NoticeCode.IMAGE_MADE,
    )
    return build_image(client, reporter.progress)


def check_architecture(engine: str, machine: str) -> None:
    """Raises HostProblem when programs of this machine do not run where the engine is."""
    ours = _ARCHITECTURES.get(machine, machine)
    if engine and engine != ours:
        raise HostProblem(
            f"the image would be made of programs for {ours}, but Docker runs on {engine}",
            hint="Run 'weave setup' on that host, with the same version of weave.",
            code=Code.IMAGE,
        )
