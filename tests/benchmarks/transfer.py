"""Does pre-training help where labels are few? From scratch, frozen and fine-tuned, several seeds.

Usage: python -m tests.benchmarks.transfer --dataset NAME --features PATH@vN --state STATE.json
    --start-from MODEL.keras --freeze PATTERN ... [--rows 25 50 200 1000] [--seeds 1 2 3]
    [--rates 0.002 0.01] [--output build/benchmarks] [--network bag --hidden 64 ...]

Each way gets the same rows, drawn by the seed, and the same number of passes at most; its rate is
the best of ``--rates`` for the first seed by validation loss. The validation split is whole, so
that chance does not choose the epoch. ``zero`` rows: the model to start from, as it is.
"""

import argparse
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.cli import add_flags, given_flags
from pipelines.state import read_features, read_json, write_json
from pipelines.train import TrainParams, run
from pipelines.training.quick_start import skip_unused_imports
from pipelines.world import ONE
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.scored import score

SCRATCH, FROZEN, TUNED, LAYERED = "from scratch", "frozen", "fine-tuned", "by layer"
_OWN = ("dataset", "features", "state", "root", "seed", "rows_per_class", "learning_rate")
_LAYER_DECAY = 0.5


def main() -> None:
    """Train each way, print a Markdown table and write ``transfer-NAME.json``."""
    said = _parse()
    output = Path(said.output).absolute()
    skip_unused_imports()
    from pipelines.training import distributed  # noqa: PLC0415  --help must not wait for it

    distributed.start()
    tried = _Trainings(said, output / "transfer-lake")
    found: dict[str, dict[str, Any]] = {}
    for rows in said.rows:
        for way in (SCRATCH, FROZEN, TUNED, LAYERED):
            rate = min(said.rates, key=lambda rate: tried.one(way, rows, said.seeds[0], rate)[0])
            scores = [tried.one(way, rows, seed, rate)[1] for seed in said.seeds]
            found.setdefault(way, {})[str(rows)] = {"accuracy": scores, "rate": rate}
            sys.stderr.write(f"{way}, {rows} of each class, rate {rate}: {scores}\n")
    distributed.stop()
    value = {"machine": describe_machine(), "flags": vars(said), "found": found}
    write_json(output / f"transfer-{said.dataset}.json", value)
    shutil.rmtree(tried.root, ignore_errors=True)
    print(_table(found, said.rows))


class _Trainings:
    """Trains a way once for each number of rows, seed and rate."""

    def __init__(self, said: argparse.Namespace, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self.root, self._said = root, said
        self._features = read_features(Path(said.state))
        self._known: dict[tuple[Any, ...], tuple[float, float]] = {}

    def one(self, way: str, rows: int, seed: int, rate: float) -> tuple[float, float]:
        """Give the validation loss, and the accuracy on the test split."""
        key = way, rows, seed, rate
        if key not in self._known:
            self._known[key] = self._train(*key)
        return self._known[key]

    def _train(self, way: str, rows: int, seed: int, rate: float) -> tuple[float, float]:
        import keras  # noqa: PLC0415  see main

        said = self._said
        learned = given_flags(said, TrainParams, (*_OWN, "start_from", "freeze"))
        if way != SCRATCH:
            learned["start_from"] = said.start_from
        if way == FROZEN:
            learned["freeze"] = tuple(said.freeze)
        if way == LAYERED:
            learned["layer_decay"] = _LAYER_DECAY
        params = TrainParams(
            said.dataset, said.features, said.state, str(self.root), seed=seed,
            rows_per_class=rows, learning_rate=rate, **learned,
        )  # fmt: skip
        made = run(params, ONE)
        history = read_json(Path(made.files["history"]))
        accuracy = self._accuracy(made.files["model"])
        keras.utils.clear_session()
        return history["best_loss"], accuracy

    def _accuracy(self, model: str) -> float:
        scores = score("test", self._said.features, self._features, {"network": model})
        given, is_of_classes = scores.said["network"], self._features.target.kind == "classes"
        called = given.argmax(axis=1) if is_of_classes else given > 0.5
        return float(np.mean(called == scores.label))


def _table(found: dict[str, dict[str, Any]], rows: list[int]) -> str:
    lines = [f"| accuracy | {' | '.join(map(str, rows))} |", f"|---|{'--:|' * len(rows)}"]
    for way, columns in found.items():
        cells = [columns[str(number)]["accuracy"] for number in rows]
        words = [f"{statistics.fmean(c):.3f} ({min(c):.3f} to {max(c):.3f})" for c in cells]
        lines.append(f"| {way} | {' | '.join(words)} |")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("dataset", "features", "state", "start-from"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--freeze", nargs="+", required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[25, 50, 200, 1000])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.002, 0.01])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--output", default="build/benchmarks")
    add_flags(parser, TrainParams, (*_OWN, "start_from", "freeze", "registry"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
