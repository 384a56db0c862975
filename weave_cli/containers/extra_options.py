"""Options of `docker run` that an operator adds to our containers, as the engine's API has them (pure).

Only those that make sense there; others are refused by name, never ignored. Knows no Docker.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from weave_cli.error_codes import Code
from weave_cli.errors import UsageProblem

_UNITS: Final = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraOptions:
    """What is added to a container: `host_config` in the words of the engine's API, lists to be appended."""

    host_config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([bkmg]?)b?", text.lower(), re.ASCII)
    if match is None:
        raise ValueError("it is a number with one of b, k, m, g behind it")
    return int(match[1]) * _UNITS[match[2]]


def _restart_policy(text: str) -> dict[str, Any]:
    name, _, count = text.partition(":")
    if name not in ("no", "always", "unless-stopped", "on-failure") or (count and name != "on-failure"):
        raise ValueError("it is no, always, unless-stopped or on-failure[:N]")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _limit(text: str) -> list[dict[str, Any]]:
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    return [{"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}]


def _device(text: str) -> list[dict[str, str]]:
    outside, _, rest = text.partition(":")
    inside, _, rights = rest.partition(":")
    return [
        {"PathOnHost": outside, "PathInContainer": inside or outside, "CgroupPermissions": rights or "rwm"}
    ]


def _one(text: str) -> list[str]:
    return [text]


#: Option -> (key of HostConfig, how its value is read); lists are appended, other values replaced.
_OPTIONS: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "--add-host": ("ExtraHosts", _one),
    "--cap-add": ("CapAdd", _one),
    "--cgroup-parent": ("CgroupParent", str),
    "--cpu-shares": ("CpuShares", int),
    "--cpus": ("NanoCpus", lambda text: int(float(text) * 1_000_000_000)),
    "--cpuset-cpus": ("CpusetCpus", str),
    "--device": ("Devices", _device),
    "--dns": ("Dns", _one),
    "--log-driver": ("log driver", str),
    "--log-opt": ("log options", _one),
    "--memory": ("Memory", _size),
    "--memory-reservation": ("MemoryReservation", _size),
    "--memory-swap": ("MemorySwap", lambda text: -1 if text == "-1" else _size(text)),
    "--oom-score-adj": ("OomScoreAdj", int),
    "--pids-limit": ("PidsLimit", int),
    "--restart": ("RestartPolicy", _restart_policy),
    "--security-opt": ("SecurityOpt", _one),
    "--ulimit": ("Ulimits", _limit),
    "--volume": ("Binds", _one),
    "--env": ("environment", _one),
    "--label": ("labels", _one),
}
_SHORT: Final = {"-c": "--cpu-shares", "-e": "--env", "-l": "--label", "-m": "--memory", "-v": "--volume"}


def parse_extra_options(variable: str, text: str) -> ExtraOptions:
    """What the words in an environment variable ask for; raises UsageProblem naming the wrong one."""
    try:
        words = iter(shlex.split(text))
    except ValueError as problem:
        raise _bad(variable, text, str(problem)) from problem
    found: dict[str, Any] = {}
    for word in words:
        option, equals, value = word.partition("=")
        if option[:2] in _SHORT and not option.startswith("--"):
            option, value, equals = _SHORT[option[:2]], word[2:].removeprefix("="), word[2:]
        if option not in _OPTIONS:
            raise _bad(variable, word, "no such option is taken")
        if not equals:
            value = next(words, "")
        key, read = _OPTIONS[option]
        try:
            given = read(value)
        except ValueError as problem:
            raise _bad(variable, f"{option}={value}", str(problem)) from problem
        found[key] = [*found.get(key, ()), *given] if isinstance(given, list) else given
    environment, labels = _pairs(found.pop("environment", ())), _pairs(found.pop("labels", ()))
    driver, log_options = found.pop("log driver", None), _pairs(found.pop("log options", ()))
    if driver is not None or log_options:
        found["LogConfig"] = {"Type": driver or "json-file", "Config": log_options}
    return ExtraOptions(host_config=found, environment=environment, labels=labels)


def add_to_host_config(host_config: dict[str, Any], extra: ExtraOptions) -> None:
    """Put them into what the engine's API is asked for; the operator's word counts more than ours."""
    for key, value in extra.host_config.items():
        if isinstance(value, list):
            host_config[key] = [*(host_config.get(key) or ()), *value]
        else:
            host_config[key] = value


def _pairs(texts: list[str] | tuple[str, ...]) -> dict[str, str]:
    split = [text.partition("=") for text in texts]
    return {name: value for name, _, value in split}


def _bad(variable: str, word: str, reason: str) -> UsageProblem:
    return UsageProblem(
        f"invalid value in {variable}: {word!r}: {reason}",
        hint=f"It takes of docker run's options: {' '.join(_OPTIONS)}",
        code=Code.BAD_SETTING,
    )
