"""Memory stays flat: what ten epochs take up, in a process of their own."""

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from pipelines.loading.columns import InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.world import World
from tests.pipelines.loading.tables import write_table

FILES, ROWS, EPOCHS = 20, 10_000, 10
COLUMNS = InputColumns(tuple(f"x{number}" for number in range(60)), ("code",), (9,), "label")


def make(folder: Path) -> None:
    """48 MB of numbers."""
    random = np.random.default_rng(1)
    tables: list[pa.Table] = []
    for _ in range(FILES):
        table = {name: random.normal(size=ROWS).astype(np.float32) for name in COLUMNS.numeric}
        table |= {name: random.integers(0, 2, ROWS).astype(np.int32) for name in ("code", "label")}
        tables.append(pa.table(table))
    write_table(folder, {"train": tables})


def main(folder: str, kept: str) -> None:
    """Print the process's own memory after each epoch, in MB; ``keep`` plants a leak.

    What glibc and Arrow keep for later is given back first: it comes and goes by a whole epoch's
    row groups, and would hide a leak.
    """
    give_back = ctypes.CDLL(None).malloc_trim
    split = load_split(
        read_manifest(folder, 0, COLUMNS), "train", World(0, 1), Reading(1536, seed=1)
    )
    taken: list[float] = []
    leak: list[object] = []
    for epoch in range(EPOCHS):
        for number, batch in enumerate(split.batches(epoch)):
            if kept == "keep" and number % 10 == 0:
                leak.append(batch)
        pa.default_memory_pool().release_unused()
        give_back(0)
        taken.append(psutil.Process().memory_full_info().uss / 1e6)
    split.close()
    print(json.dumps(taken))


def _growth(folder: Path, kept: str) -> float:
    """MB that the later epochs take beyond the most of the first four."""
    command = [sys.executable, "-m", "tests.pipelines.loading.test_memory", str(folder), kept]
    root = Path(__file__).parents[3]
    printed = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=root
    ).stdout
    taken: list[float] = json.loads(printed.splitlines()[-1])
    assert len(taken) == EPOCHS
    return max(taken[4:]) - max(taken[:4])


@pytest.mark.slow
def test_ten_epochs_take_no_more_memory_than_the_first(tmp_path: Path) -> None:
    make(tmp_path)
    # a few row groups of 2.4 MB more or less
    assert _growth(tmp_path, "nothing") < 20
    # a tenth of each epoch that is kept is seen
    assert _growth(tmp_path, "keep") > 60


if __name__ == "__main__":
    main(*sys.argv[1:])
