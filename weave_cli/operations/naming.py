"""Names: the options that make Docker use weaveDNS, and a question to weaveDNS itself. Knows no Docker.

`dns-args` runs inside every `docker run` of some users, so this room imports next to nothing at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.error_codes import Code, NoticeCode
from weave_cli.errors import HostProblem, RouterProblem, UsageProblem
from weave_cli.names import DEFAULT_DOMAIN
from weave_cli.operations.asking import ask_router
from weave_cli.operations.host_facts import find_interface_address
from weave_cli.operations.reporter import Reporter
from weave_cli.settings import Settings

#: The kernel takes no longer host names.
_LONGEST_HOSTNAME: Final = 64

_LOOKUP_TIMEOUT_S: Final = 5.0
_NOT_THERE: Final = "See 'weave status', and 'docker logs weave'."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunArguments:
    """What arguments of `docker run` say about names."""

    name: str | None = None
    hostname: str | None = None
    has_search: bool = False
    wants_dns: bool = True


def scan_run_arguments(words: Sequence[str]) -> RunArguments:
    """Find the naming options among arguments that are meant for `docker run`; the last of a kind wins."""
    name = hostname = None
    has_search, wants_dns = False, True
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option == "--without-dns":
            wants_dns = False
        elif option in ("--name", "--hostname", "-h", "--dns-search"):
            given = value if equals else next(rest, "")
            if option == "--name":
                name = given
            elif option == "--dns-search":
                has_search = True
            else:
                hostname = given
    return RunArguments(name=name, hostname=hostname, has_search=has_search, wants_dns=wants_dns)


def make_dns_arguments(words: Sequence[str], settings: Settings, reporter: Reporter) -> str:
    """`--dns=A --dns-search=D` for `docker run` (specification cli, section 10); empty without weaveDNS.

    words: the other arguments of that `docker run`, as far as the caller gives them.
    """
    given = scan_run_arguments(words)
    domain = _find_domain(settings) if given.wants_dns else None
    if domain is None:
        return ""
    address = get_dns_address(settings)
    arguments = [f"--dns={address}"]
    is_named = given.hostname is not None
    if given.name and not is_named:
        hostname = f"{given.name}.{domain.rstrip('.')}"
        if len(hostname) > _LONGEST_HOSTNAME:
            reporter.notice(
                f"Container name too long to be used as hostname: {given.name}", NoticeCode.NAME_TOO_LONG
            )
        else:
            arguments.append(f"--hostname={hostname}")
            is_named = True
    if not given.has_search:
        arguments.append("--dns-search=." if is_named else f"--dns-search={domain}")
    return " ".join(arguments)


def look_up(name: str, settings: Settings) -> Sequence[str]:
    """The addresses that weaveDNS knows for a name, completed with the domain when it has no dot."""
    from weave_cli.api.dns_question import BadAnswer, BadName, ask_addresses  # only this needs it

    if ask_router(lambda api: api.find_domain(), settings) is None:
        raise RouterProblem(
            "weaveDNS is switched off", hint="The router was launched with --no-dns.", code=Code.DNS_OFF
        )
    server = get_dns_address(settings)
    try:
        return ask_addresses(name, server, timeout_s=_LOOKUP_TIMEOUT_S)
    except BadName as problem:
        raise UsageProblem(f"cannot look up {name!r}: {problem}") from problem
    except TimeoutError as problem:
        reason = ""
        cause: Exception = problem
    except (OSError, BadAnswer) as problem:
        reason = f": {getattr(problem, 'strerror', None) or problem}"
        cause = problem
    raise RouterProblem(
        f"weaveDNS does not answer at {server}{reason}", hint=_NOT_THERE, code=Code.DNS_UNREACHABLE
    ) from cause


def get_dns_address(settings: Settings) -> str:
    """Where weaveDNS listens: the address of Docker's bridge."""
    address = find_interface_address(settings.docker_bridge)
    if address is None:
        raise HostProblem(
            f"the bridge {settings.docker_bridge} has no address",
            hint="Is Docker running? Name its bridge in DOCKER_BRIDGE if it is another one.",
            code=Code.BRIDGE_MISSING,
        )
    return address


def _find_domain(settings: Settings) -> str | None:
    """The router's domain, or the default one while it does not answer; None when weaveDNS is off."""
    try:
        return RouterClient(settings.http_address).find_domain()
    except RouterUnreachable:
        return DEFAULT_DOMAIN
