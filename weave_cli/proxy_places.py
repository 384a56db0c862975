"""Where the proxy listens, as a value: a path of the host, or an address with port. Knows no socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from weave_cli.errors import UsageProblem

ANYWHERE: Final = "0.0.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A path; or, with None, an address and port."""

    path: str | None = None
    address: str = ""
    """Empty: all addresses."""
    port: int = 0

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix://{self.path}"
        address = self.address or ANYWHERE
        return f"tcp://{f'[{address}]' if ':' in address else address}:{self.port}"


def parse_place(text: str) -> Place:
    """`unix:///path`, `tcp://address:port`, or the same without scheme; raises UsageProblem."""
    if text.startswith("unix://") or text.startswith("/"):
        path = text.removeprefix("unix://")
        if not path.startswith("/") or path.endswith("/") or "\0" in path:
            raise UsageProblem(
                f"cannot listen on {text}: the path of a socket must be absolute",
                hint="Give it like unix:///var/run/weave/weave.sock.",
            )
        return Place(path=path)
    try:
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "tcp" or not port or parts.path not in ("", "/"):
        raise UsageProblem(
            f"cannot listen on {text}: it is neither unix:///PATH nor tcp://ADDRESS:PORT",
            hint="Give it like tcp://0.0.0.0:12375.",
        )
    return Place(address=parts.hostname or "", port=port)


def advertise(address: str, host: str) -> str:
    """An address for clients: `host` instead of all addresses."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{host}{rest.removeprefix(ANYWHERE)}" if rest.startswith(f"{ANYWHERE}:") else address
