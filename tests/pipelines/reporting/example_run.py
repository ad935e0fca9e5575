"""A hand-made run of flights: records of every step, with a warning, a failure and quarantine."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.evaluation import kinds, measure, plots
from pipelines.quality.report import CheckOutcome
from pipelines.step import Fates, StepResult
from schemas.target import BINARY
from tests.pipelines.reporting.example_explanation import write_explanation

NUM_ROWS = 336_776


def write_example(folder: Path, until: str = "score") -> list[str]:
    """Write the records of a run up to one step; gives their paths."""
    steps = example_steps(folder)
    names = [step.step for step in steps]
    return [
        _write(folder / "steps" / f"{step.step}.json", asdict(step))
        for step in steps[: names.index(until) + 1]
    ]


def example_steps(folder: Path) -> list[StepResult]:
    """Give the results of a whole run; files they name are written under ``folder``."""
    return [*_data_steps(folder), *_model_steps(folder)]


def _data_steps(folder: Path) -> list[StepResult]:
    tables = tuple(f"/lake/flights/raw/{name}@v0" for name in ("flights", "weather"))
    raw = {
        "flights": Fates(
            NUM_ROWS, NUM_ROWS - 9, quarantined={"column count": 6, "bad <encoding>": 3}
        ),
        "weather": Fates(26_115, 26_115),
        "planes": Fates(3_322, 3_322),
    }
    kept = {
        "flights": Fates(NUM_ROWS - 9, NUM_ROWS - 1_209, duplicate=1_200),
        "weather": Fates(26_115, 26_112, duplicate=3),
    }
    final = {"flights": Fates(NUM_ROWS - 1_209, 326_000, filtered={"no_label": 9_567})}
    imputed = {"flights": Fates(NUM_ROWS - 1_209, NUM_ROWS - 1_209)}
    warning = _check(
        "not_null",
        "tailnum",
        success=False,
        severity="warning",
        expected="at least 98% of rows",
        broken=2512,
    )
    return [
        StepResult("ingest", "flights", "0a1b2c3d4e5f6071", tables, raw, seconds=21.4),
        _validation("raw", [_check("in_set", "origin"), warning, *_passes(12)]),
        StepResult(
            "deduplicate",
            "flights",
            "1a1b2c3d4e5f6071",
            ("/lake/flights/deduplicated/flights@v0",),
            kept,
            seconds=9.1,
            is_reused=True,
        ),
        _validation("deduplicated", _passes(4)),
        StepResult(
            "split",
            "flights",
            "2a1b2c3d4e5f6071",
            ("/lake/flights/split/flights@v0",),
            imputed,
            details={"sizes": {"train": 252_000, "validation": 28_000, "test": 55_567}},
            seconds=6.0,
        ),
        StepResult(
            "impute",
            "flights",
            "3a1b2c3d4e5f6071",
            ("/lake/flights/imputed/flights@v0",),
            imputed,
            {"state": _impute_state(folder)},
            seconds=14.2,
        ),
        _validation(
            "imputed",
            [
                _check("between", "wind_speed", success=False, expected="0 to 150 mph", broken=1),
                *_passes(9),
            ],
        ),
        StepResult(
            "engineer_features",
            "flights",
            "4a1b2c3d4e5f6071",
            ("/lake/flights/features/flights@v0",),
            final,
            {"state": _features_state(folder)},
            {"num_features": 41},
            30.5,
        ),
    ]


def _model_steps(folder: Path) -> list[StepResult]:
    history = {
        "loss": [0.58, 0.532, 0.52, 0.512, 0.507, 0.503],
        "val_loss": [0.54, 0.528, 0.524, 0.522, 0.5235, 0.526],
        "auc": [0.61, 0.672, 0.69, 0.702, 0.71, 0.715],
        "val_auc": [0.66, 0.69, 0.699, 0.703, 0.701, 0.699],
    }
    path = _write(folder / "history.json", history)
    trained = {
        "parameters": {"batch_size": 2048, "seed": 1, "num_ranks": 2},
        "best_epoch": 4,
        "ranks": 2,
        "where_time_went": (
            "27.0 s of epochs: 80% steps, 20% waiting for rows, 0% validation and checkpoints; of "
            "100 steps looked at, 9% waiting for the other ranks and 12% all-reduce. Rows are what "
            "limits it: keep them in memory (--memory-mb)"
        ),
    }
    details, files = _evaluation(folder)
    registered = {
        "name": "flights",
        "version": 3,
        "is_champion": True,
        "rule": "a candidate takes the alias champion if its validation ROC AUC exceeds the "
        "champion's by more than 0, both with the same label and split",
        "reason": "validation ROC AUC 0.7030 against 0.6990 of version 2: a gain of +0.0040",
        "former_champion": 2,
    }
    scored = {
        "name": "flights",
        "version": 3,
        "split": "test",
        "features": "/lake/flights/features/flights@v0",
    }
    fates = {"flights": Fates(326_000, 54_600, filtered={"outside_split": 271_400})}
    return [
        StepResult(
            "train",
            "flights",
            "5a1b2c3d4e5f6071",
            files={"history": path},
            details=trained,
            seconds=74.9,
        ),
        StepResult(
            "evaluate", "flights", "6a1b2c3d4e5f6071", files=files, details=details, seconds=19.7
        ),
        write_explanation(folder / "explanation"),
        StepResult("register", "flights", "7a1b2c3d4e5f6071", details=registered, seconds=9.3),
        StepResult(
            "score",
            "flights",
            "8a1b2c3d4e5f6071",
            ("/lake/flights/predictions@v0",),
            fates,
            details=scored,
            seconds=15.5,
        ),
    ]


def _evaluation(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    random = np.random.default_rng(5)
    logit = random.normal(-1.4, 0.8, 20_000)
    label = (random.random(20_000) < 1 / (1 + np.exp(-logit))).astype(np.int32)

    def noisy(spread: float) -> Any:
        return 1 / (1 + np.exp(-(logit * 0.8 - 0.3 + random.normal(0, spread, 20_000))))

    probability = {
        measure.NETWORK: noisy(0.35),
        "majority_class": np.full(20_000, label.mean()),
        "logistic_regression": noisy(0.6),
        "gradient_boosted_trees": noisy(0.3),
    }
    test = measure.Scores("test", label, probability)
    details: dict[str, Any] = {
        **kinds.measure_all(BINARY, test, test, kinds.Bootstrap(50, 1)),
        "rows": {
            "train": 252_000,
            "baselines": 252_000,
            "validation": 27_000,
            "test": 20_000,
            "test_positive": int(label.sum()),
        },
        "label": "is_late",
    }
    files = {}
    for name, content in plots.draw_plots(test, "is_late, 20,000 test rows").items():
        (folder / name).write_bytes(content)
        files[Path(name).stem] = str(folder / name)
    return details, files


def _validation(layer: str, checks: list[dict[str, Any]]) -> StepResult:
    success = all(check["success"] or check["severity"] == "warning" for check in checks)
    report = {
        "table": f"/lake/flights/{layer}/flights@v0",
        "suite": f"flights.{layer}",
        "success": success,
        "checks": checks,
        "data_docs": f"docs/{layer}.html",
    }
    return StepResult(
        f"validate-{layer}",
        "flights",
        "9a1b2c3d4e5f6071",
        details={"reports": [report]},
        seconds=4.4,
    )


def _passes(number: int) -> list[dict[str, Any]]:
    return [_check("not_null", f"column_{position}") for position in range(number)]


def _check(
    rule: str,
    column: str,
    *,
    success: bool = True,
    severity: str = "error",
    expected: str = "every row",
    broken: int = 0,
) -> dict[str, Any]:
    return asdict(
        CheckOutcome(
            rule,
            (column,),
            "error" if severity == "error" else "warning",
            success,
            expected,
            f"{broken:,} rows break it",
            broken,
            NUM_ROWS,
            f"expect_{rule}",
            reason="" if success else "the aircraft & its age <matter>",
            owner="" if success else "fleet & co",
        )
    )


def _impute_state(folder: Path) -> str:
    fills = [
        {
            "column": "temp",
            "method": "interpolate",
            "value": 55.4,
            "by": ["origin"],
            "groups": [],
            "has_indicator": False,
        },
        {
            "column": "year_built",
            "method": "group_median",
            "value": 2001.0,
            "by": ["carrier"],
            "groups": [["UA", 2002.0], ["DL", 1996.0]],
            "has_indicator": True,
        },
    ]
    return _write(
        folder / "impute.json",
        {"dataset": "flights", "fills": {"flights": fills, "weather": fills[:1]}},
    )


def _features_state(folder: Path) -> str:
    encode = {
        "scales": {
            "distance": {"column": "distance", "shift": 1039.9, "width": 733.2},
            "temp": {"column": "temp", "shift": 55.26, "width": 17.8},
        },
        "vocabularies": {
            "carrier": ["UA", "B6", "EV", "DL"],
            "dest": [f"D{number:02d}" for number in range(30)],
        },
        "boundaries": {"minute_of_day": [420.0, 600.0, 900.0]},
    }
    features = [
        {"name": "distance_num", "kind": "numeric", "size": 0},
        {"name": "carrier_code", "kind": "categorical", "size": 5},
    ]
    return _write(
        folder / "features.json", {"features": features, "label": "is_late", "encode": encode}
    )


def _write(path: Path, value: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)
