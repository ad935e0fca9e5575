"""Compare optimizers and schedules on a real table: validation loss against time, several seeds.

Usage: python -m tests.benchmarks.methods --features PATH@vN --state STATE.json [--epochs 8]
    [--seeds 1 2 3] [--where 'COLUMN >= VALUE'] [--output build/benchmarks]

Each way gets the same number of passes over the same rows, one rank, and what is left of the
flags at its defaults; early stopping is off. The rate of each is the best of three for the first
seed, by the lowest validation loss, since a training keeps the weights of that epoch. Ways come
in turns. Time is that of the processor, of all threads, which other work on the machine changes
less than seconds; both are written down.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pipelines.state import read_json, write_json
from pipelines.train import Supervision, TrainParams, run
from pipelines.training.quick_start import skip_unused_imports
from pipelines.world import ONE
from tests.benchmarks.machine import describe_machine

_SGD_RATES, _MOMENTUM_RATES, _ADAM_RATES = (0.1, 0.3, 1.0), (0.03, 0.1, 0.3), (1e-4, 5e-4, 2e-3)
_PICTURE = "methods.svg"
# of one training: loss after each epoch, processor seconds and seconds until then
Curve: TypeAlias = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Way:
    """An optimizer and a schedule, and the rates to choose from."""

    name: str
    optimizer: str
    schedule: str
    rates: tuple[float, ...]


WAYS = (
    Way("SGD", "sgd", "constant", _SGD_RATES),
    Way("SGD, dynamic", "sgd", "dynamic", _SGD_RATES),
    Way("momentum", "momentum", "constant", _MOMENTUM_RATES),
    Way("Adam", "adam", "constant", _ADAM_RATES),
    Way("Adam, dynamic", "adam", "dynamic", _ADAM_RATES),
    Way("AdamW, cosine", "adamw", "cosine", _ADAM_RATES),
)


def main() -> None:
    """Train, print a Markdown table, write ``methods.json`` and ``methods.svg``."""
    said = _parse()
    output = Path(said.output).absolute()
    skip_unused_imports()
    from pipelines.training import distributed  # noqa: PLC0415  --help must not wait for it

    distributed.start()
    ways = [way for way in WAYS if way.name in (said.ways or [w.name for w in WAYS])]
    shared = {"epochs": said.epochs, "where": tuple(said.where), "patience": 0}
    tried = _Trainings(said.features, said.state, output / "methods-lake", shared)
    rates = {way.name: _best_rate(tried, way, said.seeds[0]) for way in ways}
    found: dict[str, list[Curve]] = {way.name: [] for way in ways}
    for seed in said.seeds:
        for way in ways:
            found[way.name].append(tried.curve(way, rates[way.name], seed))
    distributed.stop()
    value = {
        "machine": describe_machine(),
        "budget": shared | {"seeds": said.seeds},
        "rates": {way.name: {"best": rates[way.name], "among": way.rates} for way in ways},
        "curves": found,
    }
    write_json(output / "methods.json", value)
    shutil.rmtree(tried.root, ignore_errors=True)
    _draw(output)
    print(_table(found, rates))


class _Trainings:
    """Trains a way once for each rate and seed."""

    def __init__(self, features: str, state: str, root: Path, shared: dict[str, Any]) -> None:
        self.root = root
        self._fixed: dict[str, Any] = {
            "dataset": "methods",
            "features": features,
            "state": state,
        } | shared
        self._known: dict[tuple[str, float, int], Curve] = {}
        shutil.rmtree(root, ignore_errors=True)

    def curve(self, way: Way, rate: float, seed: int) -> Curve:
        key = way.name, rate, seed
        if key not in self._known:
            self._known[key] = self._train(way, rate, seed)
            last = self._known[key]["loss"][-1]
            print(
                f"{way.name}, rate {rate:g}, seed {seed}: {last:.5f}", file=sys.stderr, flush=True
            )
        return self._known[key]

    def _train(self, way: Way, rate: float, seed: int) -> Curve:
        import keras  # noqa: PLC0415  see main

        params = TrainParams(
            **self._fixed,
            root=str(self.root),
            optimizer=way.optimizer,
            schedule=way.schedule,
            learning_rate=rate,
            checkpoint_steps=0,
            seed=seed,
        )
        marks: list[float] = []
        began = time.process_time()
        pause = Supervision(pause=lambda: marks.append(time.process_time() - began))
        history = read_json(Path(run(params, ONE, pause).files["history"]))["history"]
        keras.utils.clear_session()
        seconds: list[float] = [
            sum(e["seconds"] for e in history[: n + 1]) for n in range(len(history))
        ]
        return {
            "loss": [epoch["val_loss"] for epoch in history],
            "training_loss": [epoch["loss"] for epoch in history],
            "rate": [epoch["learning_rate"] for epoch in history],
            "cpu_s": marks,
            "seconds": seconds,
        }


def _best_rate(tried: _Trainings, way: Way, seed: int) -> float:
    return min(way.rates, key=lambda rate: min(tried.curve(way, rate, seed)["loss"]))


def _table(found: dict[str, list[Curve]], rates: dict[str, float]) -> str:
    lines = [
        "| way | rate | lowest | after a quarter | at the end | training | CPU s an epoch |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, curves in found.items():
        num = len(curves[0]["loss"])
        columns = [
            [min(curve["loss"]) for curve in curves],
            [curve["loss"][-(-num // 4) - 1] for curve in curves],
            [curve["loss"][-1] for curve in curves],
            [curve["training_loss"][-1] for curve in curves],
        ]
        cost = statistics.median(curve["cpu_s"][-1] / num for curve in curves)
        cells = " | ".join(map(_spread, columns))
        lines.append(f"| {name} | {rates[name]:g} | {cells} | {cost:.1f} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def _draw(output: Path) -> None:
    # a training does without matplotlib, so it can't be imported here
    program = [sys.executable, "-m", "tests.benchmarks.methods_plot"]
    subprocess.run([*program, output / "methods.json", output / _PICTURE], check=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="features table, path@vN")
    parser.add_argument("--state", required=True, help="its features state, JSON")
    parser.add_argument("--epochs", type=int, default=8, help="passes of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of each way")
    parser.add_argument("--where", nargs="*", default=[], help="rows to train and validate on")
    parser.add_argument(
        "--ways", nargs="*", choices=[way.name for way in WAYS], help="some of them"
    )
    parser.add_argument("--output", default="build/benchmarks", help="folder of methods.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
