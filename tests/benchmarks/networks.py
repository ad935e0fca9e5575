"""Compare networks on a table of any data set: what each gives, how large it is, what it costs.

Usage: python -m tests.benchmarks.networks --dataset NAME --features PATH@vN --state STATE.json
    --networks bag 'lstm --max-tokens 200' ... [--seeds 1] [--np 1] [--hidden 64 ...]
    [--output build/benchmarks]

A network may bring flags of jobs/train.py of its own, in quotes with its name; the others go to
all. Each is trained once for each seed and measured on the test split; the threshold of a label of
0 or 1 is chosen on the validation split, as ``evaluate`` does. Times are of a whole training, its
start included; the processor's are of all its ranks, and other work on the machine changes them
less than what the clock says.
"""

import argparse
import resource
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pipelines.cli import add_flags, given_flags
from pipelines.evaluation import kinds, measure
from pipelines.evaluation.measure import NETWORK, Scores
from pipelines.state import read_features, write_json
from pipelines.train import TrainParams, launch_training
from schemas.target import Target
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.scored import score

_OWN = ("dataset", "features", "state", "root", "seed", "network", "registry")
_FIGURES = {
    "binary": {"accuracy": "accuracy", "f1": "F1", "roc_auc": "ROC AUC"},
    "classes": {"accuracy": "accuracy", "macro_f1": "macro F1"},
    "number": {"mae": "MAE", "rmse": "RMSE"},
}
# what is known of one training: figures of the test split, and what they cost
Measured: TypeAlias = dict[str, float]


def main() -> None:
    """Train and measure; print a Markdown table and write ``networks-NAME.json``."""
    said = _parse()
    output = Path(said.output).absolute()
    root = output / "networks-lake"
    shutil.rmtree(root, ignore_errors=True)  # a training that is known would cost nothing
    common = {name: getattr(said, name) for name in ("dataset", "features", "state")}
    common |= given_flags(said, TrainParams, _OWN) | {"root": str(root)}
    # flags that do not fit together are refused before the first training
    planned = {
        name: [TrainParams(**common, **own_flags(name), seed=seed) for seed in said.seeds]
        for name in said.networks
    }
    found: dict[str, list[Measured]] = {}
    for name, trainings in planned.items():
        for params in trainings:
            found.setdefault(name, []).append(_measure(params, said.np))
            print(f"{name}, seed {params.seed}: {found[name][-1]}", file=sys.stderr, flush=True)
    value = {"machine": describe_machine(), "flags": vars(said), "networks": found}
    write_json(output / f"networks-{said.dataset}.json", value)
    shutil.rmtree(root, ignore_errors=True)
    print(table_of(found, read_features(Path(said.state)).target))


def own_flags(text: str) -> dict[str, Any]:
    """Give the parameters that a network's name and its own flags stand for.

    >>> own_flags("lstm --max-tokens 200")
    {'network': 'lstm', 'max_tokens': 200}
    """
    name, *words = shlex.split(text)
    parser = argparse.ArgumentParser(prog=f"--networks '{name} ...'", allow_abbrev=False)
    add_flags(parser, TrainParams, _OWN)
    return {"network": name} | given_flags(parser.parse_args(words), TrainParams, _OWN)


def _measure(params: TrainParams, num_processes: int) -> Measured:
    started, used = time.monotonic(), _processor_s()
    made = launch_training(params, num_processes)
    cost = {"seconds": time.monotonic() - started, "processor_s": _processor_s() - used}
    features, models = read_features(Path(params.state)), {NETWORK: made.files["model"]}
    validation, test = (
        score(split, params.features, features, models) for split in ("validation", "test")
    )
    return {
        **figures_of(features.target, validation, test),
        "weights": made.details["num_weights"],
        "file": Path(made.files["model"]).stat().st_size,
        "epochs": made.details["epochs"],
        "best_epoch": made.details["best_epoch"],
        **cost,
    }


def _processor_s() -> float:
    """Of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def figures_of(target: Target, validation: Scores, test: Scores) -> Measured:
    """Give what the table shows of the network's figures on ``test``."""
    figures = kinds.figures_of(target, test.label, test.said[NETWORK])
    if target.kind == "binary":
        figures = measure.measure(validation, test, {})[NETWORK]
    return {name: figures[name] for name in _FIGURES[target.kind]}


def table_of(found: dict[str, list[Measured]], target: Target) -> str:
    """Give a Markdown table: a line for each network, of several seeds the mean and the range."""
    words = _FIGURES[target.kind]
    heads = [*words.values(), "weights", "file, kB", "epochs (best)", "processor s", "seconds"]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'--:|' * len(heads)}"]
    for name, seeds in found.items():
        of = {key: [seed[key] for seed in seeds] for key in seeds[0]}
        epochs = zip(of["epochs"], of["best_epoch"], strict=True)
        cells = [
            *(_spread(of[key]) for key in words),
            f"{of['weights'][0]:,}",
            f"{statistics.fmean(of['file']) / 1000:,.0f}",
            ", ".join(f"{last} ({best})" for last, best in epochs),
            *(f"{statistics.fmean(of[key]):,.0f}" for key in ("processor_s", "seconds")),
        ]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("dataset", "features", "state"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--networks", nargs="+", required=True, help="each with flags of its own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--np", type=int, default=1)
    parser.add_argument("--output", default="build/benchmarks")
    add_flags(parser, TrainParams, _OWN)
    return parser.parse_args()


if __name__ == "__main__":
    main()
