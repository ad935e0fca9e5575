"""What a SIGKILL would leave on the disk at each of many moments of one undisturbed run."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.faults.moments import Command, Watch, run_until


def count_calls(command: Command, watch: Watch) -> int:
    """Run to the end; give the number of calls that changed the watched folder."""
    watch.restart(0)
    assert not run_until(command, watch, lambda: 0)
    return watch.count


def draw_moments(calls: int, count: int, seed: int) -> list[int]:
    """Draw ``count`` different calls of 1 to ``calls``, ascending; all if there are fewer."""
    return sorted(random.Random(seed).sample(range(1, calls + 1), min(count, calls)))


def keep_states(command: Command, watch: Watch, root: Path, moments: list[int]) -> list[Path]:
    """Run to the end; before each of the calls ``moments`` copy the folder ``root``."""
    states: list[Path] = []
    rest = iter(moments)

    def keep() -> int:
        state = root.with_name(f"{root.name}-{len(states)}")
        if root.exists():
            shutil.copytree(root, state, symlinks=True)
        else:
            state.mkdir()
        states.append(state)
        return next(rest, 0)

    watch.restart(next(rest, 0))
    assert not run_until(command, watch, keep)
    return states


def lay_out(states: list[Path], root: Path) -> Iterator[int]:
    """Put one state after the other in the place of ``root``; give its number."""
    for number, state in enumerate(states):
        shutil.rmtree(root, ignore_errors=True)
        state.rename(root)
        yield number
