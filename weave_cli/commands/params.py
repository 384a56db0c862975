"""Types of arguments, and stacks of options that several commands share. Parsing only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Final, TypeVar

import click

from weave_cli.addresses import (
    Wish,
    explain_no_wish,
    is_wish,
    parse_subnet,
    parse_trusted_subnets,
    split_wishes,
)
from weave_cli.commands.suggestions import addresses_then_container, one_of
from weave_cli.commands.usage import OptionalValue
from weave_cli.durations import looks_like_duration, parse_duration
from weave_cli.errors import UsageProblem
from weave_cli.first_ring import parse_first_ring
from weave_cli.names import format_peer_name, parse_peer_name

_LEVELS: Final = ("debug", "info", "warning", "error")

Function = TypeVar("Function", bound=Callable[..., Any])


def _parse_peer(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """A peer name like 7a:42:00:00:00:01, handed on in its canonical form."""
    return None if text is None else _named(option, lambda: format_peer_name(parse_peer_name(text)))


def _parse_subnet(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """A CIDR with zero host bits, or the empty text: whether that makes sense, the operation knows."""
    return _named(option, lambda: str(parse_subnet(text))) if text else text


def _parse_init(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """How the first ring comes to be, in its canonical form."""
    return str(parse_first_ring(text)) if text else None


def _parse_duration(_: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """Seconds; at least a tenth, lest somebody asks the router all the time."""
    if text is None:
        return None
    try:
        return max(0.1, parse_duration(text))
    except UsageProblem as problem:
        raise UsageProblem(f"{option.opts[0]}: {problem.message}", hint=problem.hint) from problem


def _parse_trusted(_: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """CIDRs with commas, without their host bits."""
    return _named(option, lambda: ",".join(map(str, parse_trusted_subnets(text)))) if text else text


def _named(option: click.Parameter, parse: Callable[[], str]) -> str:
    try:
        return parse()
    except UsageProblem as problem:
        raise UsageProblem(
            f"{option.opts[0]}: {problem.message}", hint=problem.hint, code=problem.code
        ) from problem


def stack(*options: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """Several options as one decorator, shown in the order given."""

    def decorate(function: Function) -> Function:
        return reduce(lambda decorated, option: option(decorated), reversed(options), function)

    return decorate


def duration_option(name: str, *, bare: str, help: str) -> Callable[[Function], Function]:  # noqa: A002
    """An option for a length of time, in seconds; `bare` is meant when the option stands alone."""
    return click.option(
        name,
        cls=OptionalValue,
        bare=bare,
        takes=looks_like_duration,
        metavar="[TIME]",
        callback=_parse_duration,
        help=help,
    )


def _is_never(_: str) -> bool:
    """The value of a switch stands behind its `=`."""
    return False


log_level_option = click.option(
    "--log-level", type=click.Choice(_LEVELS), help="How much the daemons log; default: info."
)

router_options = stack(
    click.option("--nickname", metavar="NAME", help="This host's name for people; default: its host name."),
    click.option(
        "--name",
        metavar="MAC",
        callback=_parse_peer,
        help="This host's peer name; default: from the machine.",
    ),
    click.option(
        "--ipalloc-range",
        metavar="CIDR",
        callback=_parse_subnet,
        help="Addresses to allocate from, the same on all hosts; default: 10.32.0.0/12. Empty: none.",
    ),
    click.option(
        "--ipalloc-default-subnet",
        metavar="CIDR",
        callback=_parse_subnet,
        help="Subnet of those who name none; default: the whole range.",
    ),
    click.option(
        "--ipalloc-init",
        metavar="HOW",
        callback=_parse_init,
        help="Who divides the range at first: consensus[=N], seed=NAME,... or observer; default: consensus.",
    ),
    click.option(
        "--init-peer-count",
        type=click.IntRange(min=0),
        metavar="N",
        help="How many hosts there are at first; the same as --ipalloc-init consensus=N.",
    ),
    click.option("--no-discovery", is_flag=True, help="Connect only to the hosts given, not to theirs."),
    click.option(
        "--resume",
        is_flag=True,
        help="Connect to the hosts of the last time, as connect and forget left them.",
    ),
    click.option(
        "--conn-limit",
        type=click.IntRange(min=0),
        metavar="N",
        help="Most connections at once; default: 200. 0: any number.",
    ),
    click.option(
        "--password-file",
        type=click.Path(allow_dash=True),
        metavar="FILE",
        help="File with the network's password, mode 0600; - for standard input. Frames are encrypted then.",
    ),
    click.option(
        "--password",
        metavar="PASSWORD",
        help="The same in clear, for all to see in process lists; default: WEAVE_PASSWORD. Empty: none.",
    ),
    click.option(
        "--trusted-subnets",
        metavar="CIDR,...",
        callback=_parse_trusted,
        help="Frames to hosts in these go in clear, if both sides say so.",
    ),
    click.option(
        "--min-protocol-version",
        type=click.IntRange(1, 2),
        metavar="N",
        help="Lowest version of the mesh protocol to speak; default: 1.",
    ),
    click.option("--no-dns", is_flag=True, help="No weaveDNS."),
    click.option("--dns-domain", metavar="DOMAIN", help="Domain of weaveDNS; default: weave.local."),
    click.option("--port", type=click.IntRange(1, 65534), metavar="N", help="TCP port; default: WEAVE_PORT."),
)

plugin_options = stack(
    click.option(
        "--mesh-network-name",
        metavar="NAME",
        shell_complete=one_of("networks"),
        help="Docker network to make; default: weave. Empty: none.",
    ),
    click.option("--no-multicast-route", is_flag=True, help="No multicast route in containers."),
)

_file = click.Path()

_LISTENS: Final = (
    "Where{} to listen: unix:///PATH or tcp://IP:PORT; may be given again."
    " Default: unix:///var/run/weave/weave.sock, or tcp://0.0.0.0:12375 if you use Docker by TCP."
)

_proxy_only_options = stack(
    click.option("--without-dns", is_flag=True, help="Containers do not use weaveDNS."),
    click.option("--no-default-ipalloc", is_flag=True, help="Leave containers without WEAVE_CIDR alone."),
    click.option("--no-rewrite-hosts", is_flag=True, help="Leave /etc/hosts of containers as it is."),
    click.option(
        "--hostname-from-label", metavar="KEY", help="Containers get their host names from this label."
    ),
    click.option(
        "--hostname-match", metavar="REGEXP", help="What of the name or label counts; default: (.*)."
    ),
    click.option("--hostname-replacement", metavar="TEXT", help="The host name made of that; default: $1."),
    click.option(
        "--rewrite-inspect", is_flag=True, help="'docker inspect' shows the address on this network."
    ),
    click.option("--no-detect-tls", is_flag=True, help="Do not look at the TLS options of Docker's daemon."),
    click.option("--tls", is_flag=True, help="TLS on TCP ports."),
    click.option("--tlsverify", is_flag=True, help="The same, for clients with a certificate only."),
    click.option("--tlscacert", type=_file, metavar="FILE", help="Who signs the certificates of clients."),
    click.option("--tlscert", type=_file, metavar="FILE", help="The proxy's certificate."),
    click.option("--tlskey", type=_file, metavar="FILE", help="Its key."),
)

proxy_options = stack(
    click.option("-H", "--host", "listen", multiple=True, metavar="ADDRESS", help=_LISTENS.format("")),
    click.option("--no-multicast-route", is_flag=True, help="No multicast route in containers."),
    _proxy_only_options,
)

#: Of `weave launch`, which 2.0 and later gave them to: what only the proxy has. Their --host is the router's.
proxy_among_others_options = stack(
    click.option("-H", "listen", multiple=True, metavar="ADDRESS", help=_LISTENS.format(" the proxy is")),
    _proxy_only_options,
    *(
        click.option(
            f"--{part}",
            cls=OptionalValue,
            bare="true",
            takes=_is_never,
            type=bool,
            default=True,
            metavar="=false",
            help=f"Start no {part}, as with WEAVE_NO_{part.upper()}.",
        )
        for part in ("proxy", "plugin")
    ),
)

no_restart_option = click.option(
    "--no-restart", is_flag=True, help="Not started again by Docker, after a crash or a reboot."
)

wait_option = duration_option(
    "--wait",
    bare="1m",
    help="Wait until all peers are connected and addresses can be had, at most so long; default: 1m.",
)

peers_argument = click.argument("peers", nargs=-1, metavar="[PEER]...")

addresses_argument = click.argument("words", nargs=-1, metavar="[ADDRESS]...")
addresses_and_container = click.argument(
    "words",
    nargs=-1,
    metavar="[ADDRESS]... CONTAINER",
    shell_complete=addresses_then_container("running"),
)
addresses_and_stopped = click.argument(
    "words",
    nargs=-1,
    metavar="[ADDRESS]... CONTAINER",
    shell_complete=addresses_then_container("stopped"),
)

add_host_option = click.option(
    "--add-host",
    multiple=True,
    metavar="NAME:ADDRESS",
    help="One more line of the rewritten /etc/hosts; may be given again.",
)
multicast_option = click.option(
    "--no-multicast-route", is_flag=True, help="No multicast route in the container."
)


def split_container(words: Sequence[str]) -> tuple[tuple[Wish, ...], str]:
    """Addresses, then exactly one container."""
    wishes, rest = split_wishes(words)
    if not rest:
        raise click.UsageError("which container?", click.get_current_context())
    if len(rest) > 1:
        first, *others = rest
        if advice := explain_no_wish(first):
            raise UsageProblem(f"no address: {first}", hint=advice)
        behind = [word for word in others if is_wish(word)]
        if behind == others:
            line = f"weave {click.get_current_context().info_name} {' '.join(behind)} {first}"
            raise UsageProblem(f"an address behind the container: {others[0]}", hint=f"Type: {line}")
        raise click.UsageError(f"one container, please: {' '.join(rest)}", click.get_current_context())
    return wishes, rest[0]


def split_alone(words: Sequence[str]) -> tuple[Wish, ...]:
    """Addresses, and nothing behind them."""
    wishes, rest = split_wishes(words)
    if rest and (advice := explain_no_wish(rest[0])):
        raise UsageProblem(f"no address: {rest[0]}", hint=advice)
    if rest:
        raise click.UsageError(f"no address: {rest[0]}", click.get_current_context())
    return wishes
