"""Start N ranks that go on when some of them are lost, and put new ones in their place.

A lost rank breaks every connection of its world: the others leave it, wait at the door, and are
put on a new roster, on which each place is filled by a living process. What they carry over is the
last checkpoint, so no message about the state passes through here.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipelines.errors import RankLostError
from pipelines.training.crew import Crew, Elastic
from pipelines.training.heartbeat import HANG_S, read_beat
from pipelines.training.launcher import (
    POLL_S,
    Rank,
    failure,
    how_it_ended,
    last_words,
    output_of,
)
from pipelines.training.rendezvous import rendezvous
from pipelines.training.roster import Roster
from pipelines.training.watch import Watch


def launch_elastic(
    command: Sequence[str],
    num_processes: int,
    elastic: Elastic,
    *,
    timeout_s: int = 60,
    hang_s: float = HANG_S,
) -> str:
    """Run ``command`` as ``launcher.launch`` does; go on without ranks that are lost.

    Args:
        command: Program and flags; each process must join by ``elastic.train_in_worlds``.
        num_processes: Ranks to begin with.
        elastic: What to go on with.
        timeout_s: Seconds of silence between ranks after which they part.
        hang_s: Seconds without a step, or without a sign of life, after which a rank is killed.

    Returns:
        What the process that was rank 0 at the end wrote to stdout.

    Raises:
        RankLostError: Fewer ranks are left than are enough, all hang, or they part again and
            again; names the last one lost.
        TrainingError: A rank failed by itself: a restart would fail again.
    """
    with tempfile.TemporaryDirectory(prefix="gristmill-ranks-") as folder, ExitStack() as stack:
        crew = Crew(command, num_processes, elastic, Path(folder), timeout_s)
        stack.callback(crew.end)
        for _ in range(num_processes):
            crew.start()
        run = _Run(crew, elastic, hang_s)
        stack.callback(run.close)
        return output_of(Path(folder), run.wait()).read_text()


class _Run:
    """One run: rosters one after another, until the root of one has finished."""

    def __init__(self, crew: Crew, elastic: Elastic, hang_s: float) -> None:
        self._crew, self._elastic, self._hang_s = crew, elastic, hang_s
        self._roster = Roster(0, tuple(crew.living))
        self._watch: Watch | None = None
        self._meeting = ExitStack()
        self._broken: float | None = None  # since when a member of the roster is gone or back
        self._has_lost = False
        self._moved: dict[int, tuple[int, float]] = {}

    def close(self) -> None:
        self._meeting.close()

    def wait(self) -> int:
        """Give the process that was the root at the end."""
        while True:
            for number, code in self._ended():
                if code == 0 and number == self._crew.root:
                    return number
                rank = self._crew.living.pop(number)
                if code > 0:
                    raise failure(self._as_rank(rank), len(self._roster.members))
                if code < 0:
                    self._replace(rank)
            if not self._crew.living:
                raise RankLostError(
                    "expected a result of rank 0; it was lost when the others had finished. Run "
                    "again to go on from the last checkpoint"
                )
            self._stop_hung()
            self._renew()
            time.sleep(POLL_S)

    def _ended(self) -> list[tuple[int, int]]:
        codes = [(number, rank.process.poll()) for number, rank in self._crew.living.items()]
        # one that failed by itself explains the others
        return sorted(
            [(number, code) for number, code in codes if code is not None], key=lambda it: -it[1]
        )

    def _as_rank(self, rank: Rank) -> Rank:
        members = self._roster.members
        return replace(rank, number=members.index(rank.number)) if rank.number in members else rank

    def _replace(self, lost: Rank) -> None:
        """Go on without a process, or with another in its place."""
        crew, size = self._crew, len(self._roster.members)
        if lost.number in self._roster.members:
            self._has_lost = True
            if self._roster.number:  # before the first one they import, which is not watched
                self._broken = self._broken or time.monotonic()
            words = f"rank {self._as_rank(lost).number} of {size} {how_it_ended(lost)}"
        else:
            words = f"process {lost.number}, not yet a rank, {how_it_ended(lost)}"
        if crew.left:
            crew.left -= 1
            new = crew.start()
            _say(f"{words}; process {new} is started in its place ({crew.left} more may be)")
        elif self._elastic.usable(len(crew.living)):
            _say(f"{words}; going on without it")
        else:
            raise RankLostError(
                f"{words}; expected at least {self._elastic.min_ranks} ranks to go on "
                f"(--elastic-min-np); {len(crew.living)} left, and no restart (--restarts). Run "
                f"again to go on from the last checkpoint. Its last words:\n{last_words(lost)}"
            )

    def _stop_hung(self) -> None:
        """Kill a rank that the others wait for: it is then lost."""
        if self._watch and self._broken is None and (hang := self._watch.look()):
            if not hang.ranks:
                raise RankLostError(
                    f"{hang.words}. All were ended. Run again to go on from the last checkpoint"
                )
            self._kill([self._roster.members[place] for place in hang.ranks], hang.words)
        if self._broken is not None and (late := [n for n in self._absent() if self._is_late(n)]):
            self._kill(late, f"process {', '.join(map(str, late))} hangs: the world has ended, and "
                       f"it has not come back for {self._hang_s:.0f} s")  # fmt: skip

    def _kill(self, numbers: Sequence[int], words: str) -> None:
        _say(f"{words}; it is killed")
        for number in numbers:
            self._crew.living[number].process.kill()
            self._crew.living[number].process.wait()

    def _absent(self) -> list[int]:
        """Members of the roster that live and are not back at the door."""
        waiting = self._crew.hall.waiting()
        return [n for n in self._roster.members if n in self._crew.living and n not in waiting]

    def _is_late(self, number: int) -> bool:
        now = time.monotonic()
        beat = read_beat(self._crew.living[number].beat)
        steps = beat.steps if beat else -1
        if self._moved.get(number, (None, 0.0))[0] != steps:
            self._moved[number] = steps, now
        return now - self._moved[number][1] > self._hang_s

    def _renew(self) -> None:
        """Publish a new roster once all members of the old one are back, or ask them to come."""
        roster = self._roster
        present = [n for n in roster.members if n in self._crew.living]
        others = sorted(self._crew.hall.waiting() & {*self._crew.living} - {*present})
        size = self._elastic.usable(len(present) + len(others))
        absent = self._absent()
        if not absent:
            if size:
                self._publish([*present, *others][:size])
        elif len(absent) < len(present) and roster.number:
            self._broken = self._broken or time.monotonic()
        elif size > len(roster.members) and self._broken is None and not roster.is_recalled:
            self._roster = replace(roster, is_recalled=True)
            self._crew.hall.publish(self._roster)

    def _publish(self, members: Sequence[int]) -> None:
        old = self._roster
        if old.number and not (self._has_lost or old.is_recalled):
            self._count_parting()
        self._meeting.close()
        port = self._meeting.enter_context(rendezvous())
        self._roster = Roster(old.number + 1, tuple(members), port)
        self._broken, self._has_lost = None, False
        self._moved.clear()
        self._watch = Watch([self._crew.living[n].beat for n in members], self._hang_s)
        self._crew.root = members[0]
        self._crew.hall.publish(self._roster)
        if old.number:
            numbers = ", ".join(map(str, members))
            _say(f"world {self._roster.number}: {len(members)} ranks, on processes {numbers}")

    def _count_parting(self) -> None:
        # no rank is gone: the same fault could part them for ever
        if not self._crew.left:
            root = self._crew.living[self._crew.root]
            raise RankLostError(
                "the ranks lost each other though all live, and no restart is left (--restarts). "
                f"Run again to go on from the last checkpoint. Rank 0 says:\n{last_words(root)}"
            )
        self._crew.left -= 1


def _say(words: str) -> None:
    sys.stderr.write(f"train: {words}\n")
    sys.stderr.flush()
