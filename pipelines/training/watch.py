"""Find the rank that hangs, from the signs of life of all of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.training.heartbeat import Beat, read_beat

_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Hang:
    """Which ranks the others wait for, none if all hang alike, and the words that say so."""

    ranks: tuple[int, ...]
    words: str


class Watch:
    """Tells a rank that hangs from those that wait for it.

    Args:
        beats: File of each rank's signs of life, in the order of ranks; see ``heartbeat``.
        hang_s: Seconds without a step of any rank, or without a sign of life of one.
    """

    def __init__(self, beats: Sequence[Path], hang_s: float) -> None:
        self._beats, self._hang_s = beats, hang_s
        self._steps: list[int] = []
        self._moved = self._looked = 0.0

    def look(self) -> Hang | None:
        """Say who hangs, if nothing has moved for too long, once all ranks have begun."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return None
        self._looked = now
        beats = [read_beat(path) for path in self._beats]
        known = [beat for beat in beats if beat]
        steps = [beat.steps for beat in known]
        if len(known) < len(beats) or steps != self._steps:
            self._steps, self._moved = steps, now
            return None
        return self._find(known, now) if now - self._moved > self._hang_s else None

    def _find(self, beats: Sequence[Beat], now: float) -> Hang:
        size, waited = len(beats), f"{now - self._moved:.0f} s"
        frozen = [i for i, beat in enumerate(beats) if now - beat.time_s > self._hang_s / 2]
        behind = [i for i, beat in enumerate(beats) if beat.steps == min(self._steps)]
        if frozen:
            return Hang(
                tuple(frozen),
                f"rank {_numbers(frozen)} of {size} hangs: expected a step of every rank; it has "
                f"given no sign of life for {waited} (is it stopped?)",
            )
        if len(behind) < size:
            return Hang(
                tuple(behind),
                f"rank {_numbers(behind)} of {size} hangs: expected a step of every rank; it lives "
                f"and has begun none for {waited}, while the others wait for it (for a slow disk?)",
            )
        return Hang((), f"all {size} ranks hang: expected a step; none was begun for {waited}")


def _numbers(found: Sequence[int]) -> str:
    return ", ".join(map(str, found))
