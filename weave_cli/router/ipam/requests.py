"""Operations that wait, and how operations end. Values only.

A request is named by a number of the caller's. Every request gets one of the three ends, except those that
the caller cancelled himself.
"""

from __future__ import annotations

from dataclasses import dataclass

from weave_cli.addresses import Cidr
from weave_cli.names import PeerName


@dataclass(frozen=True, slots=True)
class Answered:
    """It is done; cidr is the address of an allocation or claim, None for the wait for a ring."""

    request: int
    cidr: Cidr | None


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done; reason is the text of the specification http-api, section 3."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """We are leaving the mesh, and allocate nothing any more."""

    request: int


Outcome = Answered | Refused | Cancelled


@dataclass(slots=True, eq=False)
class PendingAllocation:
    """Waits for a ring, or for addresses of others."""

    request: int
    ident: str
    subnet: Cidr
    is_container: bool


@dataclass(slots=True, eq=False)
class PendingClaim:
    """Waits for a ring, or for another owner's answer.

    request: None when its caller was told yes already. asked: the owner whose answer we wait for. denied_by:
    who has nothing free there; what it says of the ring comes next, and may say that the address is ours.
    failed_attempts: how often the owner could not be reached.
    """

    request: int | None
    ident: str
    cidr: Cidr
    is_container: bool
    no_error_on_unknown: bool
    asked: PeerName | None = None
    denied_by: PeerName | None = None
    failed_attempts: int = 0
