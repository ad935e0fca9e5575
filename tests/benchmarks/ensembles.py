"""Measure what ensembles give beside their members, on a table of any data set.

Usage: python -m tests.benchmarks.ensembles --dataset NAME --features PATH@vN --state STATE.json
    [--seeds 1 2 3] [--hidden 64 256,128 ...] [--output build/benchmarks] [--epochs 8 ...]

A member for each pair of a seed and of widths of the hidden layers, ``--seeds`` and ``--hidden``
side by side (the last widths are repeated); what other flags of train are given goes to all. Then
the three methods over all members. Each on both splits: the figures of an ensemble on the
validation split are the cross-fitted ones.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from pipelines import ensemble
from pipelines.cli import add_flags, given_flags
from pipelines.ensemble import EnsembleParams
from pipelines.evaluation import kinds
from pipelines.evaluation.combination import METHODS
from pipelines.state import read_features, write_json
from pipelines.train import TrainParams, launch_training
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.scored import score

_OWN = ("dataset", "features", "state", "root", "seed", "hidden")


def main() -> None:
    """Train, join, measure; print a Markdown table and write ``ensembles-NAME.json``."""
    said = _parse()
    output = Path(said.output).absolute()
    root = str(output / "ensembles-lake")
    common: dict[str, Any] = {
        name: getattr(said, name) for name in ("dataset", "features", "state")
    }
    common["root"] = root
    models: dict[str, str] = {}
    validation: dict[str, dict[str, float]] = {}
    for number, seed in enumerate(said.seeds):
        widths = said.hidden[min(number, len(said.hidden) - 1)]
        learned = given_flags(said, TrainParams, _OWN) | {"seed": seed, "hidden": widths}
        made = launch_training(TrainParams(**common, **learned), said.np)
        models[f"seed {seed}, hidden {' '.join(map(str, widths))}"] = made.files["model"]
        sys.stderr.write(f"{[*models][-1]}: {made.details['validation']}\n")
    members = list(models.values())
    features = read_features(Path(said.state))
    for method in METHODS:
        made = ensemble.run(EnsembleParams(**common, models=tuple(members), method=method))
        models[_words(method, made.details)] = made.files["model"]
        validation[_words(method, made.details)] = made.details["validation"]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for split in ("validation", "test"):
        scores = score(split, said.features, features, models)
        found[split] = {
            name: kinds.figures_of(features.target, scores.label, given)
            for name, given in scores.said.items()
        }
    found["validation"] |= validation
    value = {"machine": describe_machine(), "figures": found, "flags": vars(said)}
    write_json(output / f"ensembles-{said.dataset}.json", value)
    print(_table(found))


def _words(method: str, details: dict[str, Any]) -> str:
    weights = [member["weight"] for member in details["members"]]
    if method != "weighted":
        return method
    return f"{method} ({', '.join(f'{weight:.2f}' for weight in weights)})"


def _table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    names = [name for name in next(iter(found["test"].values())) if name != "rows"]
    heads = [f"{split} {name}" for split in found for name in names]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'--:|' * len(heads)}"]
    for model in found["test"]:
        figures = [f"{found[split][model][name]:.4f}" for split in found for name in names]
        lines.append(f"| {model} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("dataset", "features", "state"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--hidden", type=_widths, nargs="+", default=[(128, 64)])
    parser.add_argument("--np", type=int, default=1)
    parser.add_argument("--output", default="build/benchmarks")
    add_flags(parser, TrainParams, _OWN)
    return parser.parse_args()


def _widths(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


if __name__ == "__main__":
    main()
