"""Whether a vxlan path carries frames as large as the overlay's MTU, sans-I/O.

Two sorts of large heartbeats tell, beside the small ones that decide between life and death:

- FULL_SIZE may not be fragmented. While these arrive all is well; where they do not, the path is *narrower*
  than our MTU, which an operator is told.
- LARGE takes the very way of a container's frames, through the device, and may be cut on the way. It is sent
  only where the first sort gets lost. Where it does not arrive either, somebody drops large packets without
  a word: the path *loses* them, and another overlay, which measures its packets, serves better.

Both verdicts need several of a sort lost in a row while small ones arrive. Large ones that arrive for a while
take the second one back; whenever that turned out to be too early, for longer: nobody shall switch for ever.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from weave_cli.router.overlay.heartbeat import HeartbeatKind

#: Between two of FULL_SIZE on a path that carries them; else each beat brings one.
FULL_SIZE_INTERVAL_S: Final = 12.0
#: So many lost in a row are no chance.
MOST_LOST: Final = 5
#: Large ones must arrive for so long before a path that lost them is trusted. Doubled each time it loses
#: them again, until it has kept its word for KEPT_WORD_S.
FIRST_TRIAL_S: Final = 6.0
LONGEST_TRIAL_S: Final = 300.0
KEPT_WORD_S: Final = 900.0


class PathWidth:
    """`is_narrower` and `loses_large` are the verdicts, False until there is proof."""

    def __init__(self, *, beat_interval_s: float) -> None:
        """`beat_interval_s`: between two beats of a path that is fine."""
        self._beat_interval_s = beat_interval_s
        self.is_narrower = False
        self.loses_large = False
        #: Sent since one of the sort arrived; the last of them may be under way.
        self._unanswered: Counter[HeartbeatKind] = Counter()
        self._is_cut_through = False
        self._carried_at: float | None = None
        self._good_since: float | None = None
        self._trusted_at: float | None = None
        self._trial_s = FIRST_TRIAL_S

    @property
    def is_in_doubt(self) -> bool:
        """Whether large ones get lost and it is not known yet of which sort: beats shall come faster."""
        return self._is_lost(HeartbeatKind.FULL_SIZE) and not self._is_cut_through and not self.loses_large

    def choose(self, now: float) -> tuple[HeartbeatKind, ...]:
        """The large ones that go with the beat of this moment; they count as sent."""
        if not self._is_due(now):
            return ()
        kinds = [HeartbeatKind.FULL_SIZE]
        if self._unanswered[HeartbeatKind.FULL_SIZE]:
            kinds.append(HeartbeatKind.LARGE)
        self._unanswered.update(kinds)
        if self._is_lost(HeartbeatKind.LARGE):
            self._is_cut_through = False
            self._good_since = None
        return tuple(kinds)

    def on_arrival(self, kind: HeartbeatKind, now: float) -> None:
        """A large one was acknowledged; what may not be fragmented proves more."""
        self._unanswered[HeartbeatKind.LARGE] = 0
        self._is_cut_through = True
        if kind is HeartbeatKind.FULL_SIZE:
            self._unanswered[kind] = 0
            self._carried_at = now
            self.is_narrower = False
        if not self.loses_large:
            return
        if self._good_since is None:
            self._good_since = now
        elif now - self._good_since >= self._trial_s:
            self.loses_large = False
            self._trusted_at = now

    def on_small_arrival(self, now: float) -> None:
        """A small heartbeat got through: the large ones should, too."""
        if self._unanswered[HeartbeatKind.FULL_SIZE] > MOST_LOST:
            self.is_narrower = True
        if self._unanswered[HeartbeatKind.LARGE] > MOST_LOST and not self.loses_large:
            self._distrust(now)

    def on_path_mtu(self, *, is_narrower: bool) -> None:
        """What the kernel believes. It does so for minutes after it changed: what arrived is stronger."""
        if is_narrower and self._carried_at is None:
            self.is_narrower = True

    def on_silence(self) -> None:
        """Small ones do not get through either: what is unanswered proves nothing. Verdicts stay."""
        self._unanswered.clear()
        self._is_cut_through = False
        self._good_since = None

    def _is_lost(self, kind: HeartbeatKind) -> bool:
        """Whether another one was sent before one arrived."""
        return self._unanswered[kind] > 1

    def _is_due(self, now: float) -> bool:
        if self._carried_at is None or self._unanswered[HeartbeatKind.FULL_SIZE] or self.loses_large:
            return True
        return now - self._carried_at >= FULL_SIZE_INTERVAL_S - self._beat_interval_s / 2

    def _distrust(self, now: float) -> None:
        kept_word = self._trusted_at is None or now - self._trusted_at >= KEPT_WORD_S
        self._trial_s = FIRST_TRIAL_S if kept_word else min(2 * self._trial_s, LONGEST_TRIAL_S)
        self.loses_large = True
        self._good_since = None
