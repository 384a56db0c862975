"""Which Docker engine the user means, found as the docker command finds it. Talks to none.

Words in DOCKER_CLIENT_ARGS count before DOCKER_HOST, that before DOCKER_CONTEXT, and that before the context
which `docker context use` has chosen. Reads docker's own configuration files; knows no variable of ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem

#: The context that has no files: it means DOCKER_HOST, or the socket of this machine.
_NO_CONTEXT: Final = "default"

#: Options of the docker command that say where the engine is, or how to talk to it; the others are not ours.
_VALUED: Final = {
    "-H": "host", "--host": "host", "-c": "context", "--context": "context", "--config": "config",
    "--tlscacert": "ca", "--tlscert": "certificate", "--tlskey": "key",
    "-l": "", "--log-level": "",
}  # fmt: skip
_SWITCHES: Final = {"--tls": "tls", "--tlsverify": "verify", "-D": "", "--debug": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """How to talk TLS to the engine: paths of PEM files, None where there is none."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    verifies: bool = True
    """False: whoever answers is believed to be the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An engine: `host` like `tcp://10.0.0.1:2376`, None for the usual socket of this machine."""

    host: str | None = None
    tls: TlsFiles | None = None

    @property
    def is_socket(self) -> bool:
        """Is it reached through a socket of this machine's files?"""
        return self.host is None or self.host.startswith("unix://")


def split_client_arguments(text: str) -> list[str]:
    """The words of DOCKER_CLIENT_ARGS; raises UsageProblem for a quotation mark without its pair."""
    if not text:
        return []
    import shlex  # imported here, as most have no such words

    try:
        return shlex.split(text)
    except ValueError as problem:
        raise UsageProblem(
            f"invalid value in DOCKER_CLIENT_ARGS: {text!r}: {problem}",
            hint="It takes options of the docker command, quoted as in a shell.",
            code=Code.BAD_SETTING,
        ) from problem


def find_endpoint(environment: Mapping[str, str]) -> Endpoint:
    """Where DOCKER_CLIENT_ARGS, DOCKER_HOST, DOCKER_CONTEXT or docker's configuration lead.

    Raises UsageProblem for words and files that do not parse, and for a context that is not there.
    """
    given = _parse(split_client_arguments(environment.get("DOCKER_CLIENT_ARGS", "")))
    if "host" in given and "context" in given:
        raise UsageProblem(
            "DOCKER_CLIENT_ARGS names both a host and a context",
            hint="Give -H or --context, not both.",
            code=Code.BAD_SETTING,
        )
    configuration = _configuration_directory(given, environment)
    host = given.get("host")
    if host is None and "context" not in given:
        host = environment.get("DOCKER_HOST") or None
    if host is None:
        context = given.get("context") or environment.get("DOCKER_CONTEXT") or _current_context(configuration)
        if context and context != _NO_CONTEXT:
            return _read_context(context, configuration)
    host = _canonical(host or environment.get("DOCKER_HOST") or None)
    return Endpoint(host=host, tls=None if host is None else _find_tls(given, environment, configuration))


def _parse(words: Sequence[str]) -> dict[str, str]:
    """What the options say, by our names for them."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in _SWITCHES:
            if not equals or value.lower() in ("true", "1", "t"):
                found[_SWITCHES[option]] = "yes"
        elif option in _VALUED:
            found[_VALUED[option]] = value if equals else _next(rest, option)
        elif option[:2] in _VALUED and not option.startswith("--"):  # -Htcp://...
            found[_VALUED[option[:2]]] = word[2:].removeprefix("=")
        else:
            raise UsageProblem(
                f"invalid value in DOCKER_CLIENT_ARGS: {word!r}",
                hint="It takes options that stand before a command of docker's, such as -H and --tlsverify.",
                code=Code.BAD_SETTING,
            )
    return found


def _next(rest: Any, option: str) -> str:
    value = next(rest, None)
    if value is None:
        raise UsageProblem(
            f"invalid value in DOCKER_CLIENT_ARGS: {option} needs a value", code=Code.BAD_SETTING
        )
    return str(value)


def _canonical(host: str | None) -> str | None:
    """As the docker command completes it: a host without scheme is one to reach by TCP."""
    if host is None or "://" in host or host.startswith("/"):
        return host
    return f"tcp://{host}"


def _configuration_directory(given: Mapping[str, str], environment: Mapping[str, str]) -> Path | None:
    """Docker's: None when nobody says where home is."""
    named = given.get("config") or environment.get("DOCKER_CONFIG")
    if named:
        return Path(named)
    home = environment.get("HOME")
    return Path(home, ".docker") if home else None


def _current_context(configuration: Path | None) -> str | None:
    """The one that `docker context use` has chosen."""
    if configuration is None:
        return None
    try:
        found = json.loads((configuration / "config.json").read_text())
    except (OSError, ValueError):
        return None  # the docker command warns of a broken one, and goes on
    chosen = found.get("currentContext") if isinstance(found, dict) else None
    return chosen if isinstance(chosen, str) else None


def _read_context(name: str, configuration: Path | None) -> Endpoint:
    """What `docker context create` has written."""
    import hashlib

    directory = hashlib.sha256(name.encode()).hexdigest()
    problem = UsageProblem(
        f"there is no Docker context {name!r}", hint="'docker context ls' lists them.", code=Code.BAD_SETTING
    )
    if configuration is None:
        raise problem
    try:
        meta = json.loads((configuration / "contexts/meta" / directory / "meta.json").read_text())
        found = meta["Endpoints"]["docker"]
        host = _canonical(found.get("Host") or None)
        verifies = not found.get("SkipTLSVerify")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise problem from None
    files = configuration / "contexts/tls" / directory / "docker"
    ca, certificate, key = (_existing(files / one) for one in ("ca.pem", "cert.pem", "key.pem"))
    has_tls = bool(ca or certificate or not verifies)
    tls = TlsFiles(ca=ca, certificate=certificate, key=key, verifies=verifies)
    return Endpoint(host=host, tls=tls if has_tls and host is not None else None)


def _find_tls(
    given: Mapping[str, str], environment: Mapping[str, str], configuration: Path | None
) -> TlsFiles | None:
    """As options and DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH have it; any value but none is a yes."""
    verifies = "verify" in given or bool(environment.get("DOCKER_TLS_VERIFY"))
    if not (verifies or "tls" in given or environment.get("DOCKER_TLS")):
        return None
    named = environment.get("DOCKER_CERT_PATH")
    directory = Path(named) if named else configuration
    usual = {
        key: None if directory is None else _existing(directory / file)
        for key, file in (("ca", "ca.pem"), ("certificate", "cert.pem"), ("key", "key.pem"))
    }
    return TlsFiles(
        ca=given.get("ca") or usual["ca"],
        certificate=given.get("certificate") or usual["certificate"],
        key=given.get("key") or usual["key"],
        verifies=verifies,
    )


def _existing(path: Path) -> str | None:
    return str(path) if path.is_file() else None
