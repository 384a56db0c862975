"""Whole routers with equal, different and missing passwords, in namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kernel.namespaces import Underlay
from tests.kernel.programs import eventually
from tests.kernel.routers import Router

PASSWORD = "correct horse"


@pytest.fixture
def router(underlay: Underlay, tmp_path: Path) -> Iterator[Callable[[], Router]]:
    """Makes routers on hosts of the underlay; all are ended."""
    made: list[Router] = []

    def make() -> Router:
        host = underlay.host()
        made.append(Router(host, tmp_path / f"host{host.number}"))
        return made[-1]

    yield make
    for one in made:
        if one.is_running:
            one.kill()


def password_option(router: Router, password: str, mode: int = 0o600) -> str:
    file = router.state / "password"
    file.touch(mode=mode)
    file.write_text(password + "\n")
    return f"--password-file={file}"


def connections(router: Router) -> str:
    return router.ask("GET", "/status/connections")[1]


def logs_of(*routers: Router) -> str:
    return "\n".join(f"--- {one.state}\n{connections(one)}{one.log()}" for one in routers)


def test_same_password_admits_and_is_told_nowhere(router: Callable[[], Router]) -> None:
    one, two = router(), router()
    one.start(password_option(one, PASSWORD))
    two.start(password_option(two, PASSWORD), one.host.address)
    for here, there in ((one, two), (two, one)):
        who = f"7a:00:00:00:00:{there.host.number:02x}(host{there.host.number})"
        eventually(lambda: f"|{who}]: connection introduced" in here.log(), lambda: logs_of(one, two))  # noqa: B023
        status, overview = here.ask("GET", "/status")
        assert (status, " Encryption: enabled\n" in overview) == (200, True)
        assert '"Encryption": true' in here.ask("GET", "/report", headers={"Accept": "application/json"})[1]
        for text in (here.log(), overview, Path(f"/proc/{here.pid}/cmdline").read_text()):
            assert PASSWORD not in text
        assert PASSWORD not in Path(f"/proc/{here.pid}/environ").read_text()


def test_trusted_subnets_on_both_sides_leave_frames_in_clear(router: Callable[[], Router]) -> None:
    one, two = router(), router()
    trusting = f"--trusted-subnets={one.host.address}/32,{two.host.address}/32"
    one.start(password_option(one, PASSWORD), trusting)
    two.start(password_option(two, PASSWORD), trusting, one.host.address)
    for here in (one, two):
        eventually(
            lambda: " established unencrypted vxlan " in connections(here),  # noqa: B023
            lambda: logs_of(one, two),
        )
        assert (
            f" TrustedSubnets: {one.host.address}/32, {two.host.address}/32\n"
            in here.ask("GET", "/status")[1]
        )


REFUSALS = {
    "different": (
        PASSWORD,
        "battery staple",
        "Unable to decrypt TCP msg: the password of the peer is not ours",
        "Unable to decrypt TCP msg: the password of the peer is not ours",
    ),
    "missing at the dialled": (
        None,
        PASSWORD,
        "no password specified, but peer requested an encrypted connection",
        "password specified, but peer requested an unencrypted connection",
    ),
    "missing at the dialler": (
        PASSWORD,
        None,
        "password specified, but peer requested an unencrypted connection",
        "no password specified, but peer requested an encrypted connection",
    ),
}


@pytest.mark.parametrize(
    ("dialled", "dialler", "dialled_says", "dialler_says"), REFUSALS.values(), ids=list(REFUSALS)
)
def test_other_password_is_refused_with_the_reason_on_both_sides(
    router: Callable[[], Router],
    dialled: str | None,
    dialler: str | None,
    dialled_says: str,
    dialler_says: str,
) -> None:
    one, two = router(), router()
    one.start(*(() if dialled is None else [password_option(one, dialled)]))
    two.start(*(() if dialler is None else [password_option(two, dialler)]), one.host.address)
    eventually(lambda: f"failed      {dialler_says}" in connections(two), lambda: logs_of(one, two))
    eventually(lambda: dialled_says in one.log(), lambda: logs_of(one, two))
    assert dialler_says in two.log()
    for here in (one, two):
        assert here.ask("GET", "/status/peers")[1].count("(host") == 1
    assert connections(one) == ""


def test_router_refuses_a_password_file_that_others_can_read(router: Callable[[], Router]) -> None:
    one = router()
    option = password_option(one, PASSWORD)
    (one.state / "password").chmod(0o644)
    assert one.fail_to_start(option) == 1
    assert "is open to others (mode 0644)" in one.log()
    assert "chmod 600" in one.log()
