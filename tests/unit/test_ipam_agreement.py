"""What an election promises: whatever is lost, late or said twice, all who decide decide the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from weave_cli.addresses import Range
from weave_cli.names import PeerName
from weave_cli.router.ipam.consensus import Claims, Consensus, NodeId, ProposalId
from weave_cli.router.ipam.ring import Entry, Ring
from weave_cli.router.ipam.shapes import State, decode_state, encode_state

VOTERS = 5
QUORUM = VOTERS // 2 + 1

#: Who acts, and whom it hears: itself means that it proposes; and how long ago what it hears was said.
STEPS = st.lists(
    st.tuples(st.integers(0, VOTERS - 1), st.integers(0, VOTERS - 1), st.integers(0, 3)), max_size=80
)
NAMES = st.integers(0, (1 << 48) - 1).map(PeerName)
NODES = st.builds(NodeId, NAMES, st.integers(0, (1 << 64) - 1))
PROPOSALS = st.builds(ProposalId, st.integers(0, (1 << 63) - 1), NODES)
CLAIMS = st.builds(Claims, PROPOSALS, PROPOSALS, st.frozensets(NAMES, max_size=4), PROPOSALS)
SMALL = st.integers(0, (1 << 32) - 1)
ENTRIES = st.builds(Entry, token=SMALL, peer=NAMES, version=SMALL, free=SMALL)
RANGES = st.builds(
    lambda start, size: Range(start, min(start + size, 1 << 32)), SMALL, st.integers(1, 1 << 20)
)
RINGS = st.builds(Ring, RANGES, st.lists(ENTRIES, max_size=5), st.lists(NAMES, max_size=4))


class Election:
    """Voters, and all that each has ever said."""

    def __init__(self, hushed: int) -> None:
        """hushed: how many of them propose nothing, and so decide nothing."""
        self.voters = [
            Consensus(NodeId(PeerName(number + 1), 7), 0 if number < hushed else QUORUM)
            for number in range(VOTERS)
        ]
        self.said: list[list[dict[NodeId, Claims]]] = [[{}] for _ in self.voters]
        self.decisions: set[tuple[PeerName, ...]] = set()

    def step(self, who: int, whom: int, age: int) -> None:
        voter = self.voters[who]
        if who == whom:
            if voter.quorum:
                voter.propose()
        elif voter.update(self.said[whom][-1 - min(age, len(self.said[whom]) - 1)]):
            voter.think()
        self.said[who].append(dict(voter.knows))
        decided = voter.decision()
        if decided is not None:
            self.decisions.add(decided)


@settings(max_examples=300)
@given(steps=STEPS, hushed=st.integers(0, 2))
def test_nobody_decides_what_another_did_not(steps: list[tuple[int, int, int]], hushed: int) -> None:
    election = Election(hushed)
    for step in steps:
        election.step(*step)
    assert len(election.decisions) <= 1
    # Once everybody hears everybody and one alone proposes, there is a decision, and it is that one.
    for _ in range(VOTERS + 1):
        election.step(VOTERS - 1, VOTERS - 1, 0)
        for _ in range(3):
            for who in range(VOTERS):
                for whom in range(VOTERS):
                    if who != whom:
                        election.step(who, whom, 0)
    assert len(election.decisions) == 1
    (names,) = election.decisions
    assert QUORUM <= len(names) <= VOTERS


@settings(max_examples=200)
@given(steps=STEPS)
def test_what_was_heard_twice_or_in_another_order_is_known_alike(steps: list[tuple[int, int, int]]) -> None:
    election = Election(0)
    for step in steps:
        election.step(*step)
    states = [state for said in election.said for state in said]
    forwards, backwards = Consensus(NodeId(PeerName(99), 1)), Consensus(NodeId(PeerName(99), 1))
    for state in states:
        forwards.update(state)
    for state in reversed(states):
        backwards.update(state)
    assert forwards.knows == backwards.knows
    assert not any(forwards.update(state) for state in states)


@settings(max_examples=200)
@given(
    state=st.builds(
        State,
        now=st.integers(-(1 << 63), (1 << 63) - 1),
        sender=NAMES,
        nicknames=st.dictionaries(NAMES, st.text(max_size=8), max_size=4),
        paxos=st.none() | st.dictionaries(NODES, CLAIMS, max_size=4),
        ring=st.none() | RINGS,
    )
)
def test_states_come_through_as_they_were_said(state: State) -> None:
    received = decode_state(encode_state(state))
    assert (received.now, received.nicknames) == (state.now, state.nicknames)
    assert received.paxos == state.paxos, "absent and empty are kept apart"
    assert received.ring == state.ring
    assert received.sender == (state.sender if state.ring is not None else 0)
