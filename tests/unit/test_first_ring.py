"""How the first ring comes to be, in the operator's words."""

from __future__ import annotations

import pytest

from weave_cli.errors import UsageProblem
from weave_cli.first_ring import FirstRing, choose_first_ring, parse_first_ring
from weave_cli.names import PeerName

ONE, TWO = PeerName(0x7A0000000001), PeerName(0x7A0000000002)


@pytest.mark.parametrize(
    ("text", "meaning", "canonical"),
    [
        ("consensus", FirstRing(), "consensus"),
        ("consensus=0", FirstRing(), "consensus"),
        ("consensus=3", FirstRing(peer_count=3), "consensus=3"),
        ("seed=", FirstRing(), "consensus"),
        ("seed=::1", FirstRing(seeds=(PeerName(1),)), "seed=00:00:00:00:00:01"),
        (
            "seed=7a::2,7a:00:00:00:00:01,7a:0:0:0:0:2",
            FirstRing(seeds=(ONE, TWO)),
            "seed=7a:00:00:00:00:01,7a:00:00:00:00:02",
        ),
        ("observer", FirstRing(is_observer=True), "observer"),
    ],
)
def test_words_mean_what_they_mean_to_go_routers(text: str, meaning: FirstRing, canonical: str) -> None:
    assert parse_first_ring(text) == meaning
    assert str(meaning) == canonical
    assert parse_first_ring(canonical) == meaning


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown mode: "),
        ("Consensus", "unknown mode: Consensus"),
        ("consensus=", "bad consensus parameter: ''"),
        ("consensus=three", "bad consensus parameter: 'three'"),
        ("consensus=-1", "bad consensus parameter: '-1'"),
        ("consensus=\N{ARABIC-INDIC DIGIT THREE}", "bad consensus parameter"),
        ("seed", "seed mode requires peer name list"),
        ("seed=host1", "bad seed parameter: invalid peer name: 'host1'"),
        ("seed=7a::1,", "bad seed parameter: invalid peer name: ''"),
        ("seed=7a::1,00:00:00:00:00:00", "bad seed parameter: 00:00:00:00:00:00 means nobody"),
        ("observer=", "observer mode takes no parameter"),
    ],
)
def test_other_words_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        parse_first_ring(text)
    assert caught.value.message.startswith(f"Unable to parse --ipalloc-init: {reason}")
    assert caught.value.hint


def test_both_spellings_say_the_same_but_not_at_once() -> None:
    assert choose_first_ring(None, None) == FirstRing()
    assert choose_first_ring(None, 5) == choose_first_ring("consensus=5", None) == FirstRing(peer_count=5)
    with pytest.raises(UsageProblem, match="exclude each other"):
        choose_first_ring("observer", 5)
