"""What to tell somebody who cannot reach Docker. Pure."""

from __future__ import annotations


def advise(problem: BaseException) -> str:
    text = str(problem)
    if "Permission denied" in text or "PermissionError" in text:
        return "Run weave as root, or as a user who may use Docker's socket."
    if "No such file" in text or "FileNotFoundError" in text or "Connection refused" in text:
        return "Is the Docker daemon running? Set DOCKER_HOST if it listens elsewhere."
    return "Check that 'docker version' works, and DOCKER_HOST."


def find_cause(problem: BaseException) -> str:
    """The innermost reason: the SDK wraps an OSError three times over."""
    found: BaseException | None = problem
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return first_line(problem)


def first_line(problem: BaseException) -> str:
    return str(problem).strip().partition("\n")[0] or type(problem).__name__
