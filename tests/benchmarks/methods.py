"""Compare every training method on a real table: tables, curves and a page, several seeds.

Usage: python -m tests.benchmarks.methods --features PATH@vN --state STATE.json [--epochs 8]
    [--families optimizers schedules losses activations regularisation] [--seeds 1 2 3] [--rates 3]
    [--where 'COLUMN >= VALUE'] [--few 'COLUMN >= VALUE'] [--few-epochs 20]
    [--output build/benchmarks/methods]

``methods_ways`` declares the families. Each way gets the same number of passes over the same rows,
one rank; early stopping is off but where it is what is compared. A way with several rates takes
the best of them for the first seed, by the lowest validation loss, since a training keeps the
weights of that epoch. Ways come in turns. Time is that of the processor, of all threads, which
other work on the machine changes less than seconds; both are written down.

All families get the first seed, then all the next: what is measured so far is in ``methods.json``
after each, beside families of earlier runs, and ``methods_page`` makes a page of that.
"""

import argparse
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.state import read_features, read_json, write_json
from pipelines.training.quick_start import skip_unused_imports
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.methods_table import choose_rate, make_table, to_markdown
from tests.benchmarks.methods_trainings import Trainings
from tests.benchmarks.methods_ways import Family, Way, families_of

_NAMES = tuple(families_of("binary"))


def main() -> None:
    """Train, print Markdown tables, write ``methods.json``, pictures and ``index.html``."""
    said = _parse()
    output = Path(said.output).absolute()
    families = families_of(read_features(Path(said.state)).target.kind)
    families = {name: with_rates(family, said.rates) for name, family in families.items()}
    skip_unused_imports()
    from pipelines.training import distributed  # noqa: PLC0415  --help must not wait for it

    distributed.start()
    root = output / "lake"
    trainings = Trainings(said.features, said.state, root)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in said.families}
    for number, seed in enumerate(said.seeds, 1):
        for name in said.families:
            family, budget = families[name], _budget(families[name], said)
            found[name] = add_seed(trainings, family, budget, seed, found[name])
            _keep(
                output / "methods.json", name, budget | {"seeds": said.seeds[:number]}, found[name]
            )
    distributed.stop()
    shutil.rmtree(root, ignore_errors=True)
    # a training does without matplotlib, so it can't be imported here
    subprocess.run([sys.executable, "-m", "tests.benchmarks.methods_page", output], check=True)
    for name, ways in found.items():
        print(f"{families[name].title}\n\n{to_markdown(make_table(families[name], ways))}\n")


def with_rates(family: Family, most: int) -> Family:
    """Give a family whose ways have at most so many rates to choose from, the middle first."""

    def narrowed(way: Way) -> Way:
        by_distance = sorted(way.rates, key=lambda r: abs(way.rates.index(r) - len(way.rates) // 2))
        return replace(way, rates=tuple(sorted(by_distance[:most])))

    return replace(family, ways=tuple(map(narrowed, family.ways)))


def add_seed(
    trainings: Trainings,
    family: Family,
    budget: dict[str, Any],
    seed: int,
    known: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Train each way of a family with one more seed; the first one chooses the rates."""

    def curve(flags: dict[str, Any], rate: float) -> dict[str, Any]:
        said = budget | family.flags | flags | {"learning_rate": rate, "seed": seed}
        return trainings.curve(said, is_scored=family.is_scored)

    def begin(way: Way) -> dict[str, Any]:
        rate = choose_rate({rate: curve(way.flags, rate) for rate in way.rates})
        flags = family.flags | way.flags
        return {"name": way.name, "flags": flags, "rates": way.rates, "rate": rate, "curves": []}

    found = known or [begin(way) for way in family.ways]
    return [
        measured | {"curves": [*measured["curves"], curve(way.flags, measured["rate"])]}
        for way, measured in zip(family.ways, found, strict=True)
    ]


def _budget(family: Family, said: argparse.Namespace) -> dict[str, Any]:
    epochs, where = (said.few_epochs, said.few) if family.is_few else (said.epochs, said.where)
    return {"epochs": epochs, "where": tuple(where or said.where), "patience": 0}


def _keep(path: Path, name: str, budget: dict[str, Any], ways: list[dict[str, Any]]) -> None:
    known = read_json(path)["families"] if path.exists() else {}
    measured = {"machine": describe_machine(), "budget": budget, "ways": ways}
    families = known | {name: measured}
    ordered = {name: families[name] for name in _NAMES if name in families}
    write_json(path, {"families": ordered})


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="features table, path@vN")
    parser.add_argument("--state", required=True, help="its features state, JSON")
    parser.add_argument(
        "--families", nargs="+", choices=_NAMES, default=_NAMES, help="some of them"
    )
    parser.add_argument("--epochs", type=int, default=8, help="passes of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of each way")
    parser.add_argument("--rates", type=int, default=3, help="to try for a way, the middle first")
    parser.add_argument("--where", nargs="*", default=[], help="rows to train and validate on")
    parser.add_argument(
        "--few", nargs="*", default=[], help="the same for regularisation: rows to learn by heart"
    )
    parser.add_argument("--few-epochs", type=int, default=20, help="passes over them")
    parser.add_argument("--output", default="build/benchmarks/methods", help="folder of the page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
