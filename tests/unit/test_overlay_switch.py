"""Which of several overlays carries a connection's frames."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from weave_cli.router.overlay.switch import BestChanged, NoneWorks, OverlaySwitch


def both() -> OverlaySwitch:
    return OverlaySwitch(("vxlan", "sleeve"), {})


def test_the_first_that_works_carries_until_a_better_one_does() -> None:
    switch = both()
    assert switch.established("sleeve") == BestChanged(None, "sleeve")
    assert switch.established("vxlan") == BestChanged("sleeve", "vxlan")
    assert switch.why_not_better() == {}


def test_a_worse_one_changes_nothing() -> None:
    switch = both()
    switch.established("vxlan")
    assert not switch.works("sleeve")
    assert switch.established("sleeve") is None
    assert switch.works("sleeve")
    assert switch.failed("sleeve", "silence") is None
    assert not switch.works("sleeve")
    assert (switch.best, switch.why_not_better()) == ("vxlan", {})


def test_one_that_is_held_gives_way_and_comes_back() -> None:
    switch = both()
    switch.established("sleeve")
    switch.established("vxlan")
    assert switch.held("vxlan", "no heartbeats") == BestChanged("vxlan", "sleeve")
    assert switch.why_not_better() == {"vxlan": "no heartbeats"}
    assert switch.established("vxlan") == BestChanged("sleeve", "vxlan")
    assert switch.why_not_better() == {}


def test_a_narrow_one_carries_only_while_none_else_does() -> None:
    switch = both()
    switch.established("vxlan")
    assert switch.narrowed("vxlan", "large ones get lost") is None
    assert (switch.best, switch.is_narrow("vxlan"), switch.works("vxlan")) == ("vxlan", True, True)
    assert switch.established("sleeve") == BestChanged("vxlan", "sleeve")
    assert switch.why_not_better() == {"vxlan": "large ones get lost"}
    assert switch.failed("sleeve", "silence") == BestChanged("sleeve", "vxlan")
    assert switch.established("vxlan") is None and not switch.is_narrow("vxlan")


def test_a_narrow_one_that_is_wide_again_is_the_better_one() -> None:
    switch = both()
    switch.established("sleeve")
    assert switch.narrowed("vxlan", "large ones get lost") is None
    assert switch.established("vxlan") == BestChanged("sleeve", "vxlan")
    assert switch.why_not_better() == {}


def test_one_that_failed_does_not_come_back() -> None:
    switch = both()
    switch.established("sleeve")
    assert switch.failed("vxlan", "no entry") is None
    assert switch.established("vxlan") is None
    assert switch.why_not_better() == {"vxlan": "no entry"}


def test_while_one_may_yet_work_the_connection_lives() -> None:
    switch = both()
    switch.established("vxlan")
    assert switch.held("vxlan", "no heartbeats") == BestChanged("vxlan", None)
    assert switch.why_not_better() == {"vxlan": "no heartbeats"}
    assert switch.established("sleeve") == BestChanged(None, "sleeve")


def test_none_left_is_the_end_and_tells_every_reason() -> None:
    switch = both()
    switch.held("vxlan", "no heartbeats")
    over = switch.failed("sleeve", "timed out")
    assert over == NoneWorks("vxlan: no heartbeats; sleeve: timed out")
    assert switch.established("vxlan") is None and switch.best is None, "the end is the end"


def test_what_is_not_tried_is_told_with_its_reason() -> None:
    switch = OverlaySwitch(("sleeve",), {"vxlan": "the peer does not offer it"})
    switch.established("sleeve")
    assert switch.why_not_better() == {"vxlan": "the peer does not offer it"}
    assert switch.failed("sleeve", "timed out") == NoneWorks(
        "vxlan: the peer does not offer it; sleeve: timed out"
    )


def test_only_what_was_neither_held_nor_lost_may_yet_work() -> None:
    switch = both()
    assert switch.may_yet_work("vxlan")
    switch.held("vxlan", "no heartbeats")
    assert not switch.may_yet_work("vxlan") and not switch.may_yet_work("awsvpc")


_CALLS = st.lists(
    st.tuples(
        st.sampled_from(["established", "narrowed", "held", "failed"]), st.sampled_from(["vxlan", "sleeve"])
    )
)


@given(_CALLS)
@settings(max_examples=300)
def test_told_changes_add_up_to_the_best(calls: list[tuple[str, str]]) -> None:
    switch, told, is_over = both(), None, False
    for call, name in calls:
        event = switch.established(name) if call == "established" else getattr(switch, call)(name, "because")
        assert not (is_over and event), "nothing is told after the end"
        match event:
            case BestChanged(before=before, now=now):
                assert before == told != now
                told = now
            case NoneWorks():
                is_over, told = True, None
        assert told == switch.best
