"""Makes the image in Docker, or finds that it is there. Nothing is pulled."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from typing import Final, Literal

from docker.errors import ImageNotFound

from weave_cli.containers.client import Docker, translated
from weave_cli.errors import DockerProblem
from weave_cli.images.collect import collect_tree
from weave_cli.images.recipe import CONTENT_LABEL, PACKAGES_HOME, PYTHON_HOME, content_id, image_name
from weave_cli.images.tarball import write_tar

#: Octets handed to Docker at a time.
_PIECE: Final = 1 << 20

ImageState = Literal["missing", "stale", "current"]


def find_image(client: Docker) -> ImageState:
    """Whether Docker has our image, and whether it is of this very installation."""
    with translated("look for the image"):
        try:
            image = client.images.get(image_name())
        except ImageNotFound:
            return "missing"
    return "current" if image.labels.get(CONTENT_LABEL) == content_id() else "stale"


def build_image(client: Docker, on_progress: Callable[[str], None]) -> str:
    """Make the image from the running installation; its id. Raises HostProblem or DockerProblem."""
    name, content = image_name(), content_id()
    on_progress(f"Making the image {name}: looking for files")
    tree = collect_tree()

    def show(done: int, total: int) -> None:
        if done % 100 == 0 or done == total:
            on_progress(f"Making the image {name}: {done * 100 // total}%")

    changes = [
        f"ENV PATH={PYTHON_HOME}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        f"ENV PYTHONHOME={PYTHON_HOME}",
        f"ENV PYTHONPATH={PACKAGES_HOME}",
        "ENV PYTHONDONTWRITEBYTECODE=1",
        "ENV PYTHONNOUSERSITE=1",
        "WORKDIR /run",
        f"LABEL {CONTENT_LABEL}={content}",
    ]
    repository, _, tag = name.partition(":")
    with tempfile.TemporaryFile(prefix="weave-image-") as file:
        write_tar(tree, file, show)
        file.seek(0)
        on_progress(f"Making the image {name}: Docker imports it")
        # The SDK announces chunks, and only an iterator is sent in chunks.
        pieces = iter(lambda: file.read(_PIECE), b"")
        with translated(f"import the image {name}"):
            answer = client.api.import_image_from_stream(
                pieces, repository=repository, tag=tag, changes=changes
            )
    return _image_id(answer)


def _image_id(answer: str) -> str:
    """The last line of Docker's progress has the id."""
    lines = [json.loads(line) for line in answer.splitlines() if line.strip()]
    for line in lines:
        if "error" in line:
            raise DockerProblem(f"cannot import the image: {line['error']}")
    return str(lines[-1]["status"]) if lines else ""
