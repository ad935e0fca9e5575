"""Measure what lies between the command and the first step of a training, in turns.

Usage: python -m tests.benchmarks.startup --features PATH@vN --state STATE.json [--np 2]

Two ways to start the same ranks: our launcher and stock horovodrun. What each rank does is told
apart: starting Python, importing, meeting the other ranks, opening the table, building the model,
and the first step, which is traced.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.loading.columns import InputColumns
from pipelines.state import read_features, write_json
from pipelines.tables.version import parse_version
from pipelines.train import TrainParams
from pipelines.training.launcher import is_rank, launch
from pipelines.training.quick_start import skip_unused_imports
from pipelines.world import World
from schemas.encode import FeatureSet
from tests.benchmarks.machine import describe_machine

_REPOSITORY = Path(__file__).parents[2]
_BATCH = 1536


def main() -> None:
    """Start in turns, print a Markdown table and write ``startup.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="features table, path@vN")
    parser.add_argument("--state", required=True, help="its features state, JSON")
    parser.add_argument("--np", type=int, default=2, help="ranks")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each way")
    parser.add_argument("--output", default="build/benchmarks", help="folder of startup.json")
    said = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {"our launcher": [], "horovodrun": []}
    for number in range(said.rounds):
        for way, starts in found.items():
            began = time.time()
            program = [sys.executable, "-m", "tests.benchmarks.startup", "--rank"]
            program += [str(began), said.features, said.state]
            starts.append(_start(way, program, said.np))
            print(f"round {number + 1}: {way}: {starts[-1]}", file=sys.stderr, flush=True)
    value = {"machine": describe_machine(), "ranks": said.np, "starts": found}
    write_json(Path(said.output).absolute() / "startup.json", value)
    print(_table(found))


def _start(way: str, program: list[str], ranks: int) -> dict[str, float]:
    if way == "our launcher":
        printed = launch(program, ranks)
    else:
        places = ["-np", str(ranks), "-H", f"localhost:{ranks}", "--network-interfaces", "lo"]
        printed = subprocess.run(
            ["horovodrun", *places, *program],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        ).stdout
    # horovodrun puts the rank before each line
    line = next(line for line in printed.splitlines() if "{" in line)
    return json.loads(line[line.index("{") :])


def _table(found: dict[str, list[dict[str, float]]]) -> str:
    parts = next(iter(found.values()))[0]
    lines = ["| seconds | " + " | ".join(found) + " |", "|---|" + "--:|" * len(found)]
    for part in parts:
        medians = [statistics.median(start[part] for start in starts) for starts in found.values()]
        lines.append(f"| {part} | " + " | ".join(f"{median:.1f}" for median in medians) + " |")
    return "\n".join(lines)


def _measure(began: float, features: str, state: str) -> None:
    """Play one rank; the root prints the seconds of each part as JSON."""
    parts = {"launcher and Python": time.time() - began}

    @contextmanager
    def part(name: str) -> Generator[None]:
        started = time.time()
        yield
        parts[name] = time.time() - started

    params = TrainParams("benchmark", features, state)
    with part("importing"):
        import keras  # noqa: PLC0415

        from pipelines.training import distributed  # noqa: PLC0415
        from pipelines.training.models import build_model  # noqa: PLC0415
        from pipelines.training.steps import make_train_step  # noqa: PLC0415
    with part("meeting the others"):
        world = distributed.start()
    with part("opening the table"):
        found = read_features(Path(state))
        split = _open(features, found, world)
    with part("building the model"):
        model = build_model(found, params.hidden, params.dropout, params.seed)
        optimizer: Any = keras.optimizers.AdamW(0.001)
        distributed.broadcast_state(model, optimizer)
    with part("first step"), distributed.summed_gradients(optimizer):
        step = make_train_step(model, optimizer)
        inputs, label, weight = next(split.batches(0))
        float(step(inputs, label, weight, np.float32(_BATCH), np.float32(0.001)))
    parts["in all"] = time.time() - began
    split.close()
    if world.is_root:
        print(json.dumps({name: round(seconds, 2) for name, seconds in parts.items()}))
    distributed.stop()


def _open(features: str, found: FeatureSet, world: World) -> Any:
    from pipelines.loading.dataset import Reading  # noqa: PLC0415  it imports TensorFlow
    from pipelines.loading.manifest import read_manifest  # noqa: PLC0415
    from pipelines.loading.training_tables import open_splits  # noqa: PLC0415

    table = parse_version(features)
    manifest = read_manifest(table.path, table.version, InputColumns.of(found))
    return open_splits([manifest], [], world, Reading(_BATCH, 1))[0]


if __name__ == "__main__":
    if is_rank():
        skip_unused_imports()
        _measure(float(sys.argv[2]), *sys.argv[3:])
    else:
        main()
