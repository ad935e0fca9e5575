"""spark-submit entry point of cross_validate: flags in, one JSON line out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from jobs.progress import describe, say
from jobs.steps import STEPS, Journey, validate
from pipelines.cli import keep_private, param, parse_with, part_of, print_result, report_errors
from pipelines.cross_validate import CrossValidateParams, Fold, run
from pipelines.errors import ParameterError
from pipelines.fold import FoldParams
from pipelines.fold import run as make_fold
from pipelines.spark.session import spark_session
from pipelines.step import StepResult
from pipelines.tables.version import parse_versions
from pipelines.training.parameters import PLACES, TrainParams
from schemas.catalog import dataset

_SPLIT = next(step for step in STEPS if step.name == "split")
_LATER = [
    step for step in STEPS if step.name in ("impute", "engineer_features", "train", "evaluate")
]

# what may have seen a row that a fold holds out
_MAY_KNOW = {
    "mix": "its rows may be",
    "teacher": "the rows that it has learned from may be",
    "start_from": "the rows that it has learned from may be",
}


@dataclass(frozen=True, slots=True)
class CrossValidateJob(CrossValidateParams):
    """Train on all folds but one and measure on that one, for each; the test split is not used."""

    np: int = param("Horovod ranks to train on", 2)
    restarts: int = param("times to go on training after a rank was lost", 0)
    cache: str = param("local folder for copies and checkpoints, where the root is remote", "")


def main() -> None:
    """Run the job; a repeated one goes on with the fold and the step that it was in."""
    job, training = parse_with(CrossValidateJob, TrainParams, PLACES)
    with keep_private(), report_errors():
        params = part_of(job, CrossValidateParams)
        TrainParams(job.dataset, "", "", **training)  # refuses what does not fit together
        for name, what in _MAY_KNOW.items():
            if training.get(name):
                raise ParameterError(
                    f"expected no --{name.replace('_', '-')}: {what} among those that a fold "
                    "holds out"
                )
        for number in range(1, job.folds + 1):
            _fold_params(params, Fold(number, job.root))
        spark = spark_session("cross_validate", job.root)
        print_result(run(params, training, lambda fold: _measure(spark, job, fold, training)))


def _measure(
    spark: SparkSession, job: CrossValidateJob, fold: Fold, training: dict[str, Any]
) -> Mapping[str, StepResult]:
    """Take the steps of one fold, in its own lake, each table checked before it is read."""
    spec = dataset(job.dataset)
    journey = Journey(spec, fold.root, job.np, (), "", spark, restarts=job.restarts)
    journey.training, journey.cache = training, job.cache
    split, *others = _inputs(job)
    journey.results["deduplicate"] = StepResult("deduplicate", spec.name, "", tuple(others))
    say(f"fold {fold.number} of {job.folds}")
    params = _fold_params(part_of(job, CrossValidateParams), fold, split)
    journey.results["split"] = make_fold(spark, params)
    say(f"      fold: {describe(journey.results['split'])}")
    validate(journey, _SPLIT)
    for step in _LATER:
        made = journey.results[step.name] = step.run(journey)
        say(f"      {step.name}: {describe(made)}")
        if step.layer:
            validate(journey, step)
    return journey.results


def _inputs(job: CrossValidateJob) -> list[str]:
    """The split table first."""
    names = [source.name for source in dataset(job.dataset).sources]
    found = parse_versions(job.inputs, names)
    return [str(found[name]) for name in names]


def _fold_params(params: CrossValidateParams, fold: Fold, split: str = "") -> FoldParams:
    return FoldParams(
        params.dataset, fold.root, (split,), fold.number, params.folds, params.by, params.columns,
        params.validation_share, params.gap_seconds, params.fold_seed,
    )  # fmt: skip


if __name__ == "__main__":
    main()
