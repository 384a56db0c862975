"""One Docker client from the settings, and the one place where the SDK's errors become advice.

Knows no container of ours. `docker` takes a fifth of a second to import: import this room late.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

import docker
import requests
from docker.errors import APIError, DockerException, InvalidVersion, TLSParameterError
from docker.tls import TLSConfig

from weave_cli.containers.advice import advise, find_cause, first_line
from weave_cli.containers.engine_http import unreachable
from weave_cli.docker_endpoint import TlsFiles
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem
from weave_cli.settings import LOWEST_ENGINE, Settings

#: A call that touches a plugin which is gone costs Docker 15 s for each of its requests to it
#: (specification plugin, section 8.1), and there may be several of them in one call of ours.
_ANSWER_TIMEOUT_S: Final = 180

#: What the rooms above hand around without knowing the SDK.
Docker = docker.DockerClient

_VERSION = re.compile(r"(\d+)\.(\d+)", re.ASCII)


def open_docker(settings: Settings) -> Docker:
    """A client of the engine that the settings name; raises DockerProblem when absent or too old."""
    where = settings.docker_place
    try:
        client = docker.DockerClient(
            base_url=settings.endpoint.host or where,
            timeout=_ANSWER_TIMEOUT_S,
            version=settings.api_version or "auto",
            tls=_tls_config(settings.endpoint.tls),
        )
        version = str(client.version().get("Version", ""))
    except TLSParameterError as problem:
        raise DockerProblem(
            f"cannot talk TLS to Docker at {where}: {first_line(problem)}",
            hint="Check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.",
            code=Code.DOCKER_UNREACHABLE,
        ) from problem
    except InvalidVersion as problem:
        raise DockerProblem(
            f"Docker Engine at {where} is too old: {first_line(problem)}",
            hint=_needs_newer(),
            code=Code.DOCKER_TOO_OLD,
        ) from problem
    except (DockerException, requests.RequestException, ValueError) as problem:
        # ValueError: a port in DOCKER_HOST that is none.
        raise unreachable(settings, problem) from problem
    check_engine_version(version)
    return client


def answers(client: Docker) -> bool:
    """Is the engine there?"""
    try:
        return bool(client.api.ping())
    except (DockerException, requests.RequestException):
        return False


def _tls_config(files: TlsFiles | None) -> TLSConfig | Literal[False]:
    if files is None:
        return False
    pair = (files.certificate, files.key) if files.certificate and files.key else None
    return TLSConfig(client_cert=pair, ca_cert=files.ca, verify=files.verifies)


def check_engine_version(version: str) -> None:
    """Raises DockerProblem for an engine older than we are tried with; passes a version that is no number."""
    match = _VERSION.match(version)
    if match and (int(match[1]), int(match[2])) < LOWEST_ENGINE:
        raise DockerProblem(
            f"Docker Engine {version} is too old", hint=_needs_newer(), code=Code.DOCKER_TOO_OLD
        )


def _needs_newer() -> str:
    return f"weave needs Docker Engine {'.'.join(map(str, LOWEST_ENGINE))} or newer."


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn the SDK's errors into a DockerProblem: `cannot ACTION: what Docker said`."""
    try:
        yield
    except APIError as problem:
        raise DockerProblem(f"cannot {action}: {problem.explanation or first_line(problem)}") from problem
    except requests.Timeout as problem:
        raise DockerProblem(
            f"cannot {action}: Docker did not answer within {_ANSWER_TIMEOUT_S} s",
            hint="Docker may wait for a network plugin that is gone: see the engine's log.",
        ) from problem
    except (DockerException, requests.RequestException) as problem:
        raise DockerProblem(f"cannot {action}: {find_cause(problem)}", hint=advise(problem)) from problem
