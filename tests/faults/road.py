"""The whole road of a data set, killed in the middle of its steps again and again."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.steps import STEP_NAMES
from tests.end_to_end.checkout import Checkout
from tests.faults.moments import Command, Watch, run_until

# kills that each step gets; the last one may not come, see test_parcels
ONE_OF_EACH = dict.fromkeys(STEP_NAMES, 1)
# those before training start fastest
MANY = ONE_OF_EACH | {
    "ingest": 5,
    "deduplicate": 3,
    "split": 3,
    "impute": 3,
    "engineer_features": 2,
    "train": 2,
}
_STEP = re.compile(r"^\[\d+/10\] (\w+) \.\.\.$", re.MULTILINE)


def begun(said: str) -> list[str]:
    """Give the steps that a run has begun, by what it has said on stderr."""
    return _STEP.findall(said)


class CallsOfSteps:
    """How many calls each step of a run makes; ``look`` is called now and then while it runs."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._begins: dict[str, int] = {}

    def look(self, said: str) -> None:
        """Note where the counter stands when a step begins."""
        for step in begun(said):
            self._begins.setdefault(step, self._watch.count)

    def of_each(self) -> dict[str, int]:
        """Give the calls of each step, when the run has ended."""
        ends = [*list(self._begins.values())[1:], self._watch.count]
        return {
            step: end - start for (step, start), end in zip(self._begins.items(), ends, strict=True)
        }


@dataclass(slots=True)
class Road:
    """The road of the parcels under one root; ``killed`` names each kill by step and call."""

    checkout: Checkout
    root: Path
    library: Path
    watch: Watch
    killed: list[str] = field(default_factory=list)

    @property
    def command(self) -> Command:
        """The command that a user types."""
        words, log = self.checkout.command(self.root), self.root.with_suffix(".log")
        environment = self.watch.environment(self.library, self.root)
        return Command(words, self.checkout.folder, log, environment)

    def steps(self) -> list[str]:
        """Give the steps that the last run has begun."""
        return begun(self.command.log.read_text())

    def kill(self, step: str, calls: int) -> bool:
        """Run until ``calls`` calls after the begin of ``step``; say whether it came to that."""
        is_set = False

        def look() -> None:
            nonlocal is_set
            if not is_set and step in self.steps():
                is_set = True
                self.watch.resume(self.watch.count + calls)

        self.watch.restart(0)
        was_killed = run_until(self.command, self.watch, lambda: None, look)
        if was_killed:
            self.killed.append(f"{self.steps()[-1]} {self.watch.count}")
        return was_killed


def draw_kills(
    calls: dict[str, int], kills_of_each: dict[str, int], seed: int
) -> Iterator[tuple[str, int]]:
    """Give a step and a number of its calls for each kill; the first in the step's first half."""
    draw = random.Random(seed)
    for step, kills in kills_of_each.items():
        for number in range(kills):
            yield step, draw.randint(1, max(1, calls[step] // (1 if number else 2)))
