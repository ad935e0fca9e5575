"""What explain leaves of a run, with something of everything, hostile words among it."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.pictures import to_png
from pipelines.state import write_json
from pipelines.step import StepResult

HOSTILE = "<img src=x onerror=alert(1)>"


def write_explanation(folder: Path) -> StepResult:
    """Write the files of the step; gives its result."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "photo_0.png").write_bytes(to_png(np.full((9, 12, 3), 90, np.uint8)))
    write_json(folder / "explanation.json", explanation())
    files = {"explanation": str(folder / "explanation.json")}
    details = {"methods": ["permutation", "shap", "lime", "gradients"], "seconds": {"shap": 2.5}}
    return StepResult("explain", "flights", "7b1b2c3d4e5f6071", files=files, details=details)


def explanation() -> dict[str, Any]:
    """The file's value."""
    names = ["dep_delay", "carrier", *(f"column_{number}" for number in range(20))]
    about = {"key": {"flight": "4312"}, "said": "1, probability 0.970", "actual": "0"}
    return {
        "methods": ["permutation", "shap", "lime", "gradients"],
        "split": "validation",
        "rows": 4000,
        "split_rows": 27_000,
        "seed": 1,
        "left_out": "",
        "label": "is_late",
        "permutation": _permutation(names),
        "shap": {
            "of": "probability of is_late = 1",
            "rows": 200,
            "background": 32,
            "base": 0.2194,
            "miss": 1e-16,
            "columns": [
                {"name": name, "mean_size": 0.2 / (place + 1), "rises": 0.9 if not place else None}
                for place, name in enumerate(names)
            ],
        },
        "single": [{"why": "surest of 1, and wrong", **about, "base": 0.2194, "lime_fit": 0.31,
                    "columns": _columns(names)}],
        "texts": [
            {"feature": "remark_tokens", "is_personal": False, "of": "log odds of is_late = 1",
             "steps": 64, "texts": 48, "miss": 0.004, "randomised": 0.92,
             "words": {"up": [{"word": "fog", "mean": 0.7, "texts": 9}], "down": []},
             "rows": [{"why": "surest of 1, and right", **about, "base": -0.2, "logit": 3.1,
                       "words": [["thick", 0.2], [HOSTILE, 2.5], ["today", 0.0], ["on", -1.5]]}]},
            {"feature": "name_tokens", "is_personal": True},
        ],
        "images": [
            {"feature": "photo", "is_personal": False, "of": "logit of the class called",
             "steps": 64, "miss": 0.02, "randomised": {"gradients": 0.1, "grad_cam": None},
             "rows": [{"why": "wrong", **about, "file": "photo_0.png",
                       "where": {"gradients": "middle 40%", "grad_cam": "upper left 60%"}}]},
        ],
    }  # fmt: skip


def _permutation(names: list[str]) -> dict[str, Any]:
    return {
        "figure": {"name": "roc_auc", "words": "ROC AUC", "is_lower_better": False},
        "base": 0.7462,
        "repeats": 5,
        "randomised": {"base": 0.4897, "correlation": 0.03},
        "origins": [{"name": "joined from weather (9)", "mean": 0.0512, "low": 0.04, "high": 0.06,
                     "features": ["temp", "visib"]}],
        "columns": [
            {"name": name, "mean": 0.1 / (place + 1) - 0.008, "low": 0.08 / (place + 1) - 0.012,
             "high": 0.12 / (place + 1), "features": [f"{name}_num", f"{name}_log"]}
            for place, name in enumerate(names)
        ],
    }  # fmt: skip


def _columns(names: list[str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "value": "***" if name == "carrier" else f"{place} min",
         "shap": (-1) ** place * 0.1 / (place + 1), "errors": 0.01, "lime": 0.05}
        for place, name in enumerate(names)
    ]  # fmt: skip
