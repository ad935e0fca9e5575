"""Train and score the ways of ``methods``, each once for each rate and seed, in this process."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.evaluation import kinds, metrics
from pipelines.evaluation.arrays import Arrays
from pipelines.state import read_features, read_json
from pipelines.train import Supervision, TrainParams, run
from pipelines.world import ONE
from tests.benchmarks.methods_table import Curve
from tests.benchmarks.scored import open_model, rows_of

# the first that an epoch says is comparable between losses
_COMPARABLE = ("val_log_loss", "val_rmse", "val_loss")
_THRESHOLD = 0.5


class Trainings:
    """Trains on a table by flags, under ``root``; what is known is not trained again."""

    def __init__(self, features: str, state: str, root: Path) -> None:
        self._table = features
        self._features = read_features(Path(state))
        self._root = root
        self._fixed: dict[str, Any] = {
            "dataset": "methods", "features": features, "state": state, "root": str(root),
            "checkpoint_steps": 0,
        }  # fmt: skip
        self._known: dict[str, Curve] = {}
        self._rows: Arrays | None = None
        shutil.rmtree(root, ignore_errors=True)

    def curve(self, flags: dict[str, Any], *, is_scored: bool = False) -> Curve:
        """Give what a training with ``flags`` has shown; with its figures if it is scored."""
        key = json.dumps([flags, is_scored], sort_keys=True)
        if key not in self._known:
            self._known[key] = self._train(flags, is_scored=is_scored)
            last = self._known[key]["loss"][-1]
            print(f"{flags}: {last:.5f}", file=sys.stderr, flush=True)
        return self._known[key]

    def _train(self, flags: dict[str, Any], *, is_scored: bool) -> Curve:
        import keras  # noqa: PLC0415  --help must not wait for it

        marks: list[float] = []
        began = time.process_time()
        pause = Supervision(pause=lambda: marks.append(time.process_time() - began))
        files = run(TrainParams(**self._fixed, **flags), ONE, pause).files
        epochs = read_json(Path(files["history"]))["history"]
        figures = {"figures": self._score(files["model"])} if is_scored else {}
        keras.utils.clear_session()
        shutil.rmtree(self._root, ignore_errors=True)
        return figures | {
            "loss": [epoch["val_loss"] for epoch in epochs],
            "comparable_loss": [_comparable(epoch) for epoch in epochs],
            "training_loss": [epoch["loss"] for epoch in epochs],
            "rate": [epoch["learning_rate"] for epoch in epochs],
            "cpu_s": marks,
            "seconds": np.cumsum([epoch["seconds"] for epoch in epochs]).tolist(),
        }

    def _score(self, model: str) -> dict[str, float]:
        target, rows = self._features.target, self._validation()
        given = open_model(model, target)(rows)
        found = kinds.figures_of(target, rows.label, given)
        if target.kind == "binary":
            counts = metrics.confusion(rows.label, given, _THRESHOLD)
            found |= metrics.decision_figures(counts)
        return found

    def _validation(self) -> Arrays:
        if self._rows is None:
            self._rows = rows_of("validation", self._table, self._features)
        return self._rows


def _comparable(epoch: dict[str, Any]) -> float:
    return next(epoch[name] for name in _COMPARABLE if name in epoch)
