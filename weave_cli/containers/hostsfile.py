"""The /etc/hosts of a container that a command attached (specification cli, section 8). Knows no Docker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from weave_cli.addresses import Cidr, format_address
from weave_cli.error_codes import Code
from weave_cli.errors import DockerProblem, UsageProblem

_DEFAULTS: Final = """
# default localhost entries
127.0.0.1       localhost
::1             ip6-localhost ip6-loopback
fe00::0         ip6-localnet
ff00::0         ip6-mcastprefix
ff02::1         ip6-allnodes
ff02::2         ip6-allrouters
"""


@dataclass(frozen=True, slots=True)
class ExtraHost:
    """What `--add-host NAME:ADDRESS` asks for."""

    name: str
    address: str


def parse_extra_host(text: str) -> ExtraHost:
    """`NAME:ADDRESS`, as docker run takes it; the address may be an IPv6 one. Raises UsageProblem."""
    name, colon, address = text.partition(":")
    # Whoever puts a line end here writes more lines than one.
    if not (name and colon and address) or text.split() != [text]:
        raise UsageProblem(
            f"bad format for add-host: {text!r}", hint="It is NAME:ADDRESS.", code=Code.BAD_ADDRESS
        )
    return ExtraHost(name, address)


def render_hosts(
    hostname: str, domainname: str, cidrs: Sequence[Cidr], extra: Sequence[ExtraHost] = ()
) -> str:
    """The whole file: the container's own names, those of --add-host, and localhost."""
    fqdn = f"{hostname}.{domainname}".rstrip(".")
    name = fqdn.partition(".")[0]
    names = name if name == fqdn else f"{fqdn} {name}"
    own = "".join(f"{format_address(cidr.address)}    {names}\n" for cidr in cidrs)
    added = "".join(f"{one.address}     {one.name}\n" for one in extra)
    return (
        f"# created by Weave - BEGIN\n# container hostname\n{own}\n"
        f"# static names added with --add-host\n{added}{_DEFAULTS}# created by Weave - END\n"
    )


def rewrite_hosts(path: Path, content: str) -> None:
    """Put the content in place of the container's file, and make Docker lose its hold of it.

    The container sees the file that is there now; what Docker writes later must go into another one, of the
    same name.
    """
    try:
        path.write_text(content)
        path.unlink()
        path.write_text(content)
        path.chmod(0o644)
    except OSError as problem:
        raise DockerProblem(
            f"cannot rewrite {path}, the /etc/hosts of the container: {problem.strerror}"
        ) from problem
