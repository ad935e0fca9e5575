"""Measure how training speeds up with ranks of one core each, beside one process with threads.

Usage: python -m tests.benchmarks.scaling [--np 2] [--rounds 5] [--output build/benchmarks]

Each rank trains on rows that are in memory already, with the step, the optimizer and the all-reduce
of a training; the batch of a rank stays the same (weak scaling). Efficiency is the speed of N ranks
over N times that of one rank on one core. The honest rival is one process with N threads.
"""

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.state import write_json
from pipelines.training.launcher import is_rank, launch
from tests.benchmarks.machine import describe_machine

_MEASURED_S = 8.0
_WARM_UP = 8
_MODELS = ("small dense net", "large dense net", "CNN")


@dataclass(frozen=True, slots=True)
class Way:
    """``ranks`` processes of ``threads`` threads and cores each."""

    name: str
    ranks: int
    threads: int


def main() -> None:
    """Time the ways in turns, print a Markdown table and write ``scaling.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--np", type=int, default=2, help="ranks, at most the cores that there are")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each way")
    parser.add_argument("--output", default="build/benchmarks", help="folder of scaling.json")
    said = parser.parse_args()
    if not 1 < said.np <= len(os.sched_getaffinity(0)):
        parser.error(f"expected --np from 2 to {len(os.sched_getaffinity(0))}; got {said.np}")
    ways = (
        Way("one rank, one core", 1, 1),
        Way(f"{said.np} ranks, one core each", said.np, 1),
        Way(f"one process, {said.np} threads", 1, said.np),
    )
    speeds: dict[str, dict[str, list[float]]] = {
        model: {way.name: [] for way in ways} for model in _MODELS
    }
    for number in range(said.rounds):
        for way in ways:
            program = [sys.executable, "-m", "tests.benchmarks.scaling", str(way.threads)]
            found = json.loads(launch(program, way.ranks).splitlines()[-1])
            for model, speed in found.items():
                speeds[model][way.name].append(speed)
            print(f"round {number + 1}: {way.name}: {found}", file=sys.stderr, flush=True)
    machine = {"machine": describe_machine(), "ranks": said.np, "samples_per_s": speeds}
    write_json(Path(said.output).absolute() / "scaling.json", machine)
    print(_table(speeds, ways))


def _table(speeds: dict[str, dict[str, list[float]]], ways: tuple[Way, ...]) -> str:
    lines = [
        "| samples/s | " + " | ".join(way.name for way in ways) + " | efficiency | spread |",
        "|---|" + "--:|" * (len(ways) + 2),
    ]
    for model, by_way in speeds.items():
        medians = [statistics.median(by_way[way.name]) for way in ways]
        efficiency = medians[1] / (ways[1].ranks * medians[0])
        spread = max(
            (max(values) - min(values)) / statistics.median(values) for values in by_way.values()
        )
        cells = " | ".join(f"{median:,.0f}" for median in medians)
        lines.append(f"| {model} | {cells} | {efficiency:.2f} | {spread:.0%} |")
    return "\n".join(lines)


def _measure(threads: int) -> None:
    """Play one rank; the root prints samples per second of all ranks, by model, as JSON."""
    cores = sorted(os.sched_getaffinity(0))
    if threads == 1:
        os.sched_setaffinity(0, {cores[int(os.environ["HOROVOD_RANK"]) % len(cores)]})
    import tensorflow as tf  # noqa: PLC0415  it counts the cores when it is imported

    from pipelines.training import distributed  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    world = distributed.start()
    found = {model: _speed(_make(model), world) for model in _MODELS}
    if world.is_root:
        print(json.dumps(found))
    distributed.stop()


def _make(model: str) -> tuple[Any, Any, int]:
    """Give a model, one batch of its inputs, and the rows of the batch."""
    import keras  # noqa: PLC0415

    random = np.random.default_rng(0)
    if model == "CNN":
        rows = 64
        image = keras.Input((32, 32, 3))
        x: Any = image
        for width in (32, 64, 128):
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
            x = keras.layers.MaxPooling2D()(x)
        x = keras.layers.Dense(128, activation="relu")(keras.layers.Flatten()(x))
        made = keras.Model(image, keras.layers.Dense(1)(x))
        return made, random.normal(size=(rows, 32, 32, 3)).astype(np.float32), rows
    rows, widths = (768, (128, 64)) if model == "small dense net" else (768, (1024, 1024, 512))
    numbers = keras.Input((76,))
    x = numbers
    for width in widths:
        x = keras.layers.Dense(width, activation="relu")(x)
    made = keras.Model(numbers, keras.layers.Dense(1)(x))
    return made, random.normal(size=(rows, 76)).astype(np.float32), rows


def _speed(made: tuple[Any, Any, int], world: Any) -> float:
    import keras  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from pipelines.training import distributed  # noqa: PLC0415
    from pipelines.training.steps import make_train_step  # noqa: PLC0415

    model, inputs, rows = made
    optimizer = keras.optimizers.AdamW(0.001)
    distributed.broadcast_state(model, optimizer)
    label, weight = tf.zeros((rows, 1)), tf.ones((rows,))
    total, rate = np.float32(rows * world.size), np.float32(0.001)
    with distributed.summed_gradients(optimizer):
        step = make_train_step(model, optimizer)

        def once() -> float:
            return float(step(tf.constant(inputs), label, weight, total, rate))

        for _ in range(_WARM_UP):
            once()
        began = time.perf_counter()
        once()
        # the same number of steps on all ranks
        steps = max(int(_MEASURED_S / (time.perf_counter() - began)), 10)
        steps = int(distributed.gather_rows(np.array([steps]), "steps").min())
        began = time.perf_counter()
        for _ in range(steps):
            once()
        seconds = time.perf_counter() - began
    return rows * world.size * steps / seconds


if __name__ == "__main__":
    if is_rank():
        _measure(int(sys.argv[1]))
    else:
        main()
