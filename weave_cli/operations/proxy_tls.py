"""Which certificates the proxy's TCP ports have: those given, else those of Docker's own TCP ports.

Looks at the words that Docker was started with and at its configuration file; asks Docker nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from weave_cli.containers.proxy_spec import ProxyOptions, ProxyTls
from weave_cli.errors import HostProblem, UsageProblem
from weave_cli.host_files import on_host
from weave_cli.settings import Settings, host_root

_CONFIGURATION: Final = "/etc/docker/daemon.json"
_FILES: Final = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
_TRUE: Final = ("", "1", "t", "true")


def choose_tls(options: ProxyOptions, settings: Settings, *, proc: Path = Path("/proc")) -> ProxyTls | None:
    """None: without TLS. Raises UsageProblem for missing files, HostProblem when Docker is not found."""
    given: Mapping[str, Any] = {
        "tls": options.wants_tls,
        "tlsverify": options.verifies,
        "tlscacert": options.tls_ca,
        "tlscert": options.tls_certificate,
        "tlskey": options.tls_key,
    }
    if not any(given.values()):
        if not options.detects_tls:
            return None
        given = _detect(proc)
        if not (given.get("tls") or given.get("tlsverify")):
            return None
    paths = {option: given.get(option) or _usual(file, settings) for option, file in _FILES.items()}
    verifies = bool(given.get("tlsverify"))
    return ProxyTls(
        certificate=_checked("tlscert", paths["tlscert"]),
        key=_checked("tlskey", paths["tlskey"]),
        ca=_checked("tlscacert", paths["tlscacert"]) if verifies else None,
    )


def _usual(file: str, settings: Settings) -> str | None:
    directory = settings.certificate_directory
    return None if directory is None else f"{directory}/{file}"


def _checked(option: str, path: str | None) -> str:
    """Absolute, and there."""
    if path is None:
        raise UsageProblem(f"TLS needs a file for --{option}", hint=f"Give --{option}.")
    whole = path if host_root() is not None else os.path.abspath(path)
    if not whole.startswith("/") or not on_host(whole).is_file():
        raise UsageProblem(
            f"there is no file {whole}, which TLS needs as --{option}",
            hint=f"Give it with --{option}, as a path of the host that Docker is on.",
        )
    return whole


def _detect(proc: Path) -> Mapping[str, Any]:
    """What Docker does itself: the options of its daemon about TLS."""
    words = _find_daemon(proc)
    if words is None:
        raise HostProblem(
            "cannot find the process of Docker's daemon, whose TLS options the proxy's TCP ports get",
            hint="Give --tls or --tlsverify with their files, or --no-detect-tls to go without TLS.",
        )
    found = read_daemon_words(words)
    return {**_read_configuration(found.get("config-file") or _CONFIGURATION), **found}


def _read_configuration(path: str) -> Mapping[str, Any]:
    """Empty when there is no such file. What cannot be read may say that clients need certificates."""
    try:
        configured = json.loads(on_host(path).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or f"it is no JSON: {problem}"
        raise HostProblem(
            f"cannot read {path}, which says whether the proxy's TCP ports get TLS as Docker's do: {reason}",
            hint="Give --tls or --tlsverify with their files, or --no-detect-tls to go without TLS.",
        ) from problem
    return configured if isinstance(configured, dict) else {}


def _find_daemon(proc: Path) -> Sequence[str] | None:
    for directory in proc.iterdir():
        if not directory.name.isdigit():
            continue
        with suppress(OSError):
            words = (directory / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            name = words[0].rpartition("/")[2]
            if name == "dockerd" or (name == "docker" and ("daemon" in words[1:2] or "-d" in words)):
                return words[1:]
    return None


def read_daemon_words(words: Sequence[str]) -> dict[str, Any]:
    """The options about TLS, and where the configuration is, without their dashes."""
    found: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            continue
        if option in ("tls", "tlsverify"):
            found[option] = value.lower() in _TRUE
        elif option in _FILES or option == "config-file":
            found[option] = value if equals else next(rest, "")
    return found
