"""Compare smaller forms of a network on a real table: eight bits, pruned, small, taught, both.

Usage: python -m tests.benchmarks.compression --features PATH@vN --state STATE.json [--epochs 6]
    [--seeds 1 2 3] [--hidden 256 128] [--student 16] [--where 'COLUMN >= VALUE']
    [--flags=--network=bag ...] [--output build/benchmarks]

Each way is trained once for each seed, with one rank on one thread, and then brought into each
form; what is measured is the file, opened again. Figures are of the validation split, which also
chose the epoch, alike for all. Times are the processor's, medians of turns of all forms of a seed.
"""

import argparse
import shutil
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from pipelines.cli import parse_params
from pipelines.evaluation import kinds
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.footprint import count_weights, seconds_per_1000_rows, use_one_thread
from pipelines.evaluation.predict import Predictor, open_network
from pipelines.evaluation.quantize import pack, quantize
from pipelines.state import file_digest, read_features, write_json
from pipelines.train import TrainParams, run
from pipelines.training.quick_start import skip_unused_imports
from pipelines.world import ONE
from schemas.encode import FeatureSet
from schemas.target import Target
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.scored import open_model, rows_of

_REPEATS, _TIMED_ROWS, _TIMED_ROWS_OF_LISTS = 15, 8192, 1024
# what is known of one form of one seed's network
Measured: TypeAlias = dict[str, float]


@dataclass(frozen=True, slots=True)
class Way:
    """A training, and the forms that its network is brought into."""

    name: str
    changes: dict[str, Any]
    forms: tuple[str, ...] = ("packed", "int8")
    is_taught: bool = False


def ways_of(student: tuple[int, ...], temperature: float, target: Target) -> list[Way]:
    """Give the ways: the original first, the teacher of the last."""
    taught: dict[str, Any] = {"hidden": student, "distill_weight": 0.5}
    if target.kind != "number":
        taught |= {"distill_temperature": temperature}
    return [
        Way("original", {}, ("", "packed", "int8", "int8-activations")),
        *(Way(f"pruned {share:.0%}", {"prune_to": share}) for share in (0.5, 0.8, 0.9)),
        Way("small", {"hidden": student}),
        Way("small, taught", taught, is_taught=True),
    ]


def main() -> None:
    """Train, print a Markdown table, write ``compression.json``."""
    said = _parse()
    output = Path(said.output).absolute()
    skip_unused_imports()
    use_one_thread()
    from pipelines.training import distributed  # noqa: PLC0415  --help must not wait for it

    distributed.start()
    root = output / "compression-lake"
    shutil.rmtree(root, ignore_errors=True)
    flags = [*said.flags, "--dataset", "compression", "--features", said.features]
    params = parse_params(TrainParams, [*flags, "--state", said.state, "--root", str(root)])
    where = tuple(said.where)
    params = replace(params, epochs=said.epochs, where=where, hidden=tuple(said.hidden), patience=0)
    found = [_one_seed(replace(params, seed=seed), said) for seed in said.seeds]
    distributed.stop()
    value = {"machine": describe_machine(), "flags": vars(said), "seeds": found}
    write_json(output / "compression.json", value)
    shutil.rmtree(root, ignore_errors=True)
    figure = kinds.figure_of(read_features(Path(said.state)).target)
    print(_table(found, figure.words))


def _one_seed(params: TrainParams, said: argparse.Namespace) -> dict[str, Measured]:
    """Train and measure all ways with one seed; by way and form."""
    features = read_features(Path(said.state))
    validation = rows_of("validation", said.features, features)
    teacher, predictors = "", dict[str, Predictor]()
    found: dict[str, Measured] = {}
    for way in ways_of(tuple(said.student), said.temperature, features.target):
        taught = {"teacher": teacher} if way.is_taught else {}
        made = run(replace(params, **(way.changes | taught)), ONE).files["model"]
        teacher = teacher or made
        for form in way.forms:
            name = f"{way.name}{', ' if form else ''}{form}"
            path = _formed(made, form)
            predictors[name] = open_model(str(path), features.target)
            found[name] = _sizes(path) | _figures(predictors[name], validation, features)
            print(f"seed {params.seed}, {name}: {found[name]}", file=sys.stderr, flush=True)
    limit = _TIMED_ROWS_OF_LISTS if features.tokens or features.images else _TIMED_ROWS
    timed = seconds_per_1000_rows(predictors, validation.take(slice(limit)), _REPEATS)
    return {name: figures | {"seconds": timed[name]} for name, figures in found.items()}


def _formed(model: str, form: str) -> Path:
    if not form:
        return Path(model)
    network = open_network(model, file_digest(Path(model)))
    quantize(network, form)
    path = Path(model).with_name(f"{form}.keras")
    path.write_bytes(pack(network))
    return path


def _sizes(path: Path) -> Measured:
    counted = count_weights(open_network(str(path), file_digest(path)))
    zeros = counted["kernel_zeros"] / counted["kernel_weights"]
    return {"file": path.stat().st_size, "weights": counted["weight_bytes"], "zeros": zeros}


def _figures(predict: Predictor, rows: Arrays, features: FeatureSet) -> Measured:
    name = kinds.figure_of(features.target).name
    return {"figure": kinds.figures_of(features.target, rows.label, predict(rows))[name]}


def _table(found: list[dict[str, Measured]], words: str) -> str:
    lines = [
        f"| form | file, kB | weights, kB | zeros | rows a second | validation {words} |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name in found[0]:
        of = {key: [seed[name][key] for seed in found] for key in found[0][name]}
        kilo = [f"{statistics.median(of[key]) / 1000:,.0f}" for key in ("file", "weights")]
        speed = 1000 / statistics.median(of["seconds"])
        low, middle, high = min(of["figure"]), statistics.median(of["figure"]), max(of["figure"])
        lines.append(
            f"| {name} | {kilo[0]} | {kilo[1]} | {np.median(of['zeros']):.1%} | {speed:,.0f} | "
            f"{middle:.4f} ({low:.4f} to {high:.4f}) |"
        )
    return "\n".join(lines)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="features table, path@vN")
    parser.add_argument("--state", required=True, help="its features state, JSON")
    parser.add_argument("--epochs", type=int, default=6, help="passes of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of each way")
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 128], help="of the original")
    parser.add_argument("--student", type=int, nargs="+", default=[16], help="of the small network")
    parser.add_argument("--temperature", type=float, default=2.0, help="of the teaching")
    parser.add_argument("--where", nargs="*", default=[], help="rows to train and validate on")
    parser.add_argument("--flags", nargs="*", default=[], help="more of jobs/train.py, by --x=y")
    parser.add_argument("--output", default="build/benchmarks", help="folder of compression.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
