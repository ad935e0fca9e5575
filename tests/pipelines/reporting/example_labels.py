"""The example run, its model measured on several classes or on a number."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.evaluation import kinds
from pipelines.evaluation.measure import NETWORK, Scores
from schemas.target import Target
from tests.pipelines.reporting.example_run import example_steps

CATEGORIES = Target("classes", ("normal", "dos & <flood>", "probe", "r2l", "u2r"))
SPEED = Target("number", unit="mph", mean=58.0, deviation=13.0)
_ROWS = 4_000


def write_labelled(folder: Path, target: Target) -> list[str]:
    """Write the records of the example run with such a label; gives their paths."""
    paths: list[str] = []
    for step in example_steps(folder):
        made = step
        if step.step == "evaluate":
            test = _scores(target)
            counts = {"train": 9_000, "baselines": 9_000, "validation": 900, "test": _ROWS}
            details: dict[str, Any] = kinds.measure_all(target, test, test, kinds.Bootstrap(50, 1))
            details["rows"] = counts | kinds.count_rows(target, test)
            files: dict[str, str] = {}
            for name, content in kinds.draw_plots(target, test, "answer").items():
                (folder / name).write_bytes(content)
                files[Path(name).stem] = str(folder / name)
            made = replace(step, details=details | {"label": "answer"}, files=files)
        path = folder / "labelled" / f"{step.step}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(made)))
        paths.append(str(path))
    return paths


def _scores(target: Target) -> Scores:
    random = np.random.default_rng(5)
    if target.kind == "number":
        label = random.gamma(9.0, 6.0, _ROWS).astype(np.float32)
        said = {
            NETWORK: label + random.normal(0, 3, _ROWS),
            "naive_forecast": label + random.normal(0, 5, _ROWS),
            "mean": np.full(_ROWS, 54.0),
            "median": np.full(_ROWS, 52.0),
            "ridge_regression": label + random.normal(0, 4, _ROWS),
            "gradient_boosted_trees": label + random.normal(0, 2.5, _ROWS),
        }
        return Scores("test", label, said)
    places = random.choice(target.width, p=[0.6, 0.2, 0.1, 0.07, 0.03], size=_ROWS)
    own = np.eye(target.width)[places]

    def noisy(signal: float) -> Any:
        raw = np.exp(signal * own + random.normal(size=(_ROWS, target.width)))
        return raw / raw.sum(axis=1, keepdims=True)

    said = {
        NETWORK: noisy(4.0),
        "majority_class": np.tile([0.6, 0.2, 0.1, 0.07, 0.03], (_ROWS, 1)),
        "logistic_regression": noisy(3.0),
        "gradient_boosted_trees": noisy(3.9),
    }
    return Scores("test", places.astype(np.int32), said)
