"""A fixed address whose holder has died: whoever claims it gets it, as from the original router.

The router knows no containers, and the plugin gives a dead one's addresses back when it may have been started
again, or hears of its removal a moment later. Knows no interface.
"""

from __future__ import annotations

import re
from contextlib import suppress

from weave_cli.addresses import Cidr
from weave_cli.api.sync import RouterClient, RouterUnreachable
from weave_cli.containers import quick
from weave_cli.errors import RouterProblem
from weave_cli.settings import Settings

#: The router's words; those with "already" only are about addresses outside of its range.
_HELD = re.compile(r"address \S+ (already in use|is already owned) by ([0-9a-f]{64})")
_OUTSIDE = "already in use"


def claim_from_the_dead(api: RouterClient, owner: str, cidr: Cidr, settings: Settings) -> None:
    """Claim for a container that lives; raises RouterProblem when somebody who lives has the address.

    Of a container that is stopped, not removed, only addresses outside of the range are taken: one inside
    stays its own until the plugin gives it back (specification cli, section 15).
    """
    try:
        api.claim(owner, cidr, check_alive=True)
    except RouterUnreachable:
        raise
    except RouterProblem as problem:
        held = _HELD.search(problem.message)
        if held is None or not _is_dead(held[2], settings, is_outside=held[1] == _OUTSIDE):
            raise
        with suppress(RouterProblem):  # the plugin may be faster
            api.release(held[2], cidr.address)
        api.claim(owner, cidr, check_alive=True)


def _is_dead(container_id: str, settings: Settings, *, is_outside: bool) -> bool:
    found = quick.find_our_container(settings, container_id)
    return found is None or (is_outside and found.status in ("exited", "dead"))
