"""Runs killed at seeded calls of every step, each going on from what the one before has left."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.checkout import Checkout, make_checkout
from tests.faults.moments import Command, Watch, build, run_until
from tests.faults.readers import check_states, last_contents, ledger, read_all

SEED = 20_131
# kills that each step gets; what a step has left to do is what the next kill is drawn from
KILLS = {
    "ingest": 3,
    "deduplicate": 3,
    "split": 2,
    "impute": 2,
    "engineer_features": 3,
    "train": 4,
    "evaluate": 1,
    "register": 2,
    "score": 2,
}
NUM_KILLS = 20
_STEP = re.compile(r"^\[\d/9\] (\w+) \.\.\.$", re.MULTILINE)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The project's code with one contract more."""
    return make_checkout(tmp_path_factory.mktemp("checkout"))


@dataclass(slots=True)
class Road:
    """The road of the parcels under one root, watched."""

    checkout: Checkout
    root: Path
    library: Path
    watch: Watch
    kills: list[str] = field(default_factory=list)

    @property
    def command(self) -> Command:
        """The command that a user types."""
        words, log = self.checkout.command(self.root), self.root.with_suffix(".log")
        environment = self.watch.environment(self.library, self.root)
        return Command(words, self.checkout.folder, log, environment)

    def step(self) -> str:
        """Give the step that the last run has come to; empty before the first."""
        log = self.command.log
        said = _STEP.findall(log.read_text()) if log.exists() else []
        return said[-1] if said else ""

    def measure(self) -> dict[str, int]:
        """Run to the end; give the number of calls of each step."""
        begun: dict[str, int] = {}
        self.watch.restart(0)
        run_until(
            self.command,
            self.watch,
            lambda: 0,
            lambda: None if self.step() in begun else begun.update({self.step(): self.watch.count}),
        )
        starts = [*[begun[step] for step in KILLS], self.watch.count]
        return {step: starts[n + 1] - starts[n] for n, step in enumerate(KILLS)}

    def kill(self, target: int) -> bool:
        """Run until the call ``target``; say whether it came to that."""
        self.watch.restart(target)
        was_killed = run_until(self.command, self.watch, lambda: None)
        if was_killed:
            self.kills.append(f"{self.step() or 'start'}:{target}")
        return was_killed


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def roads(checkout: Checkout, library: Path, tmp_path: Path) -> Iterator[list[Road]]:
    made = [
        Road(checkout, tmp_path / name, library, Watch(tmp_path / f"{name}.count"))
        for name in ("undisturbed", "killed")
    ]
    yield made
    for road in made:
        road.watch.close()


def _weights(root: Path) -> str:
    (record,) = (root / "parcels" / "steps").glob("train-*.json")
    return json.loads(record.read_text())["details"]["weights_digest"]


def _targets(calls: dict[str, int], draw: random.Random) -> Iterator[tuple[str, int]]:
    """Give steps, and for each kill a number of calls from where it begins."""
    for step, kills in KILLS.items():
        for _ in range(kills):
            yield step, draw.randint(1, calls[step])


@pytest.mark.proves("F1", "F2", "F3", "F4")
def test_killed_at_twenty_calls_of_all_steps_the_road_leaves_what_an_undisturbed_run_does(
    roads: list[Road], record_property: Any
) -> None:
    undisturbed, killed = roads
    calls = undisturbed.measure()
    expected = read_all(undisturbed.root)
    draw = random.Random(SEED)
    step_before = ""
    for step, target in _targets(calls, draw):
        # the first kill of a step must first let the step before come to its end
        rest = calls.get(step_before, 0) if step != step_before else 0
        step_before = step
        if not killed.kill(rest + target):
            break
        check_states(killed.root)
        for name, some in read_all(killed.root).items():
            if name.endswith(("ledger", "measures")):
                continue
            assert set(some) <= set(expected[name]), (SEED, killed.kills, name)
    assert not killed.kill(0)
    said = (SEED, killed.kills)
    assert len(killed.kills) >= NUM_KILLS, said
    assert last_contents(read_all(killed.root)) == last_contents(expected), said
    assert ledger(killed.root, "parcels") == ledger(undisturbed.root, "parcels"), said
    assert _weights(killed.root) == _weights(undisturbed.root), said
    record_property("kills by SIGKILL", len(killed.kills))
    print(said, calls)
