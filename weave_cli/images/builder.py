"""Makes the image in Docker, or finds that it is there. Nothing is pulled."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Literal

from docker.errors import APIError, ImageNotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem
from weave_cli.images.collect import FileTree, collect_tree
from weave_cli.images.recipe import CONTENT_FILE, CONTENT_LABEL, content_id, read_own_content
from weave_cli.images.tarball import tar_pieces
from weave_cli.names import image_name

ImageState = Literal["missing", "stale", "current"]


def find_image(client: Docker) -> ImageState:
    """Whether Docker has our image, and whether it is of this very installation.

    Raises DockerProblem, and HostProblem where no image can be made.
    """
    with translated("look for the image"):
        try:
            image = client.images.get(image_name())
        except ImageNotFound:
            return "missing"
    return "current" if image.labels.get(CONTENT_LABEL) == content_id() else "stale"


def restore_image(client: Docker) -> bool:
    """Give our name back to the image of this installation, if Docker still has it under another one.

    Several machines may use one engine, each with an installation of its own.
    """
    with translated("look for the image"):
        found = client.images.list(filters={"label": f"{CONTENT_LABEL}={content_id()}"})
        if found:
            found[0].tag(*image_name().split(":"))
    return bool(found)


def build_image(client: Docker, on_progress: Callable[[str], None]) -> str:
    """Make the image from the running installation; its id. The one of that name before goes, unless used.

    Raises HostProblem or DockerProblem.
    """
    name, content = image_name(), content_id()
    if read_own_content() is not None:
        raise DockerProblem(
            f"the image {name} was removed while a helper container of it was at work", hint="Try again."
        )
    on_progress(f"Making the image {name}: looking for files")
    tree = collect_tree()
    tree.texts[CONTENT_FILE] = f"{content}\n"
    before = _find_id(client, name)
    repository, _, tag = name.partition(":")
    # Docker reads while we write: the SDK sends what an iterator gives in chunks.
    with translated(f"import the image {name}"):
        answer = client.api.import_image_from_stream(
            _with_progress(tree, name, on_progress),
            repository=repository,
            tag=tag,
            changes=_changes(tree, content),
        )
    image_id = parse_import_answer(answer)
    if before is not None and before != image_id:
        _remove_unless_used(client, before)
    return image_id


def parse_import_answer(answer: str) -> str:
    """The image's id, in the last line of Docker's progress. Raises DockerProblem with what went wrong."""
    lines = [json.loads(line) for line in answer.splitlines() if line.strip()]
    for line in lines:
        if "error" in line:
            raise DockerProblem(f"cannot import the image: {line['error']}", code=Code.IMAGE)
    if not lines:
        raise DockerProblem("cannot import the image: Docker answered nothing", code=Code.IMAGE)
    return str(lines[-1]["status"])


def _remove_unless_used(client: Docker, image_id: str) -> None:
    """Containers made of it go on, and then it stays; so it does under another name."""
    with contextlib.suppress(APIError):
        if not client.images.get(image_id).tags:
            client.api.remove_image(image_id)


def _with_progress(tree: FileTree, name: str, on_progress: Callable[[str], None]) -> Iterator[bytes]:
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        if done * 100 // total > shown:
            shown = done * 100 // total
            on_progress(f"Making the image {name}: {shown}%")

    return tar_pieces(tree, show)


def _changes(tree: FileTree, content: str) -> list[str]:
    """What a Dockerfile would say after its files."""
    return [
        *(f"ENV {variable}={quote(value)}" for variable, value in tree.environment.items()),
        "WORKDIR /",
        f"LABEL {CONTENT_LABEL}={content}",
    ]


def quote(value: str) -> str:
    """A value for ENV that Docker takes literally, whatever an installation's path may hold."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'


def _find_id(client: Docker, name: str) -> str | None:
    with translated("look for the image"):
        try:
            return str(client.images.get(name).id)
        except ImageNotFound:
            return None
