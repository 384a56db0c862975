"""Which MAC addresses are to be looked for behind the TAP port."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weave_cli.names import PeerName
from weave_cli.router.overlay.mac_homes import MacChange, MacHomes

ONE, TWO = PeerName(1), PeerName(2)
A, B = bytes.fromhex("0a0000000001"), bytes.fromhex("0a0000000002")


def test_what_is_learned_is_put_and_what_is_forgotten_dropped() -> None:
    homes = MacHomes()
    assert homes.learned(A, ONE, 5.0) == MacChange(put=(A,))
    assert homes.seen() == {A: (ONE, 5.0)}
    assert homes.forgotten(A) == MacChange(drop=(A,))
    assert homes.forgotten(A) == MacChange()
    assert homes.seen() == {}


def test_peers_that_the_kernel_reaches_are_not_behind_the_tap() -> None:
    homes = MacHomes()
    homes.learned(A, ONE, 0)
    homes.learned(B, TWO, 0)
    assert homes.carry(ONE, True) == MacChange(drop=(A,))
    assert homes.carry(ONE, True) == MacChange()
    assert homes.learned(A, ONE, 1) == MacChange()
    assert homes.wanted() == (B,)
    assert homes.carry(ONE, False) == MacChange(put=(A,))


def test_moves_between_both_kinds_of_peers() -> None:
    homes = MacHomes()
    homes.carry(ONE, True)
    homes.learned(A, TWO, 0)
    assert homes.learned(A, ONE, 1) == MacChange(drop=(A,))
    assert homes.learned(A, TWO, 2) == MacChange(put=(A,))


def test_a_process_that_lost_its_memory_leaves_no_entry() -> None:
    homes = MacHomes()
    homes.carry(ONE, True)
    homes.learned(A, ONE, 0)
    homes.learned(B, TWO, 0)
    assert homes.clear() == MacChange(drop=(B,))
    assert homes.wanted() == ()


_PEERS = st.sampled_from([ONE, TWO])
_CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("learned"), st.sampled_from([A, B]), _PEERS),
        st.tuples(st.just("forgotten"), st.sampled_from([A, B])),
        st.tuples(st.just("carry"), _PEERS, st.booleans()),
        st.tuples(st.just("clear")),
    )
)


@given(_CALLS)
def test_changes_add_up_to_what_is_wanted(calls: list[tuple[str, ...]]) -> None:
    homes, entries = MacHomes(), set[bytes]()
    for verb, *arguments in calls:
        more = [0.0] if verb == "learned" else []
        change = getattr(homes, verb)(*arguments, *more)
        entries = (entries - set(change.drop)) | set(change.put)
        assert entries == set(homes.wanted())
