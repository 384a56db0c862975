"""Which of the host's own addresses are wanted again after a start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from weave_cli.addresses import parse_cidr
from weave_cli.host.rules import Exposure
from weave_cli.router.runtime import exposures as room
from weave_cli.router.runtime.exposures import (
    ExposureDesk,
    decode_exposures,
    encode_exposures,
    merge_exposures,
)
from weave_cli.router.runtime.store import Store

pytestmark = pytest.mark.unit

ONE, TWO, THREE = (parse_cidr(text) for text in ("10.1.0.1/16", "10.2.0.1/16", "10.3.0.1/16"))
SAVED = (Exposure(ONE), Exposure(TWO, masquerades=False))


def test_text_brings_them_back() -> None:
    text = encode_exposures("boot", SAVED)
    assert text == "boot 10.1.0.1/16=masquerade 10.2.0.1/16=plain"
    assert decode_exposures(text) == ("boot", SAVED)
    assert decode_exposures("") == ("", ())
    assert decode_exposures("boot nonsense=plain 10.1.0.1/16=masquerade") == ("boot", SAVED[:1])


def test_after_a_reboot_all_come_back() -> None:
    assert merge_exposures(SAVED, None, is_same_boot=False) == {ONE: SAVED[0], TWO: SAVED[1]}
    assert list(merge_exposures(SAVED, (THREE,), is_same_boot=False)) == [ONE, TWO, THREE]


def test_what_was_hidden_or_exposed_without_a_router_counts() -> None:
    assert merge_exposures(SAVED, (TWO, THREE), is_same_boot=True) == {
        TWO: Exposure(TWO, masquerades=False),
        THREE: Exposure(THREE),
    }
    assert merge_exposures(SAVED, (), is_same_boot=True) == {}


class Upkeep:
    wanted: tuple[Exposure, ...] = ()

    async def want_exposures(self, exposures: tuple[Exposure, ...]) -> None:
        self.wanted = exposures


@pytest.mark.parametrize(
    ("present", "expected"), [(None, [ONE, TWO]), ((ONE,), [ONE]), ((), [])], ids=["no bridge", "one", "none"]
)
def test_a_router_that_starts_wants_them_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    present: tuple[object, ...] | None,
    expected: list[object],
) -> None:
    monkeypatch.setattr(room, "remove_exposed", lambda _: True)
    monkeypatch.setattr(room, "read_exposed", lambda: None)

    async def live_twice() -> Upkeep:
        store = Store(tmp_path / "weave.db")
        first = ExposureDesk(store, Upkeep(), store.commit)
        await first.recall()
        for cidr in (ONE, TWO, THREE):
            await first.expose(cidr, masquerades=True)
        await first.hide(THREE)
        store.close()
        monkeypatch.setattr(room, "read_exposed", lambda: present)
        store, upkeep = Store(tmp_path / "weave.db"), Upkeep()
        await ExposureDesk(store, upkeep, store.commit).recall()
        store.close()
        return upkeep

    assert [one.cidr for one in asyncio.run(live_twice()).wanted] == expected
