"""Score a features table with a registered model, as a Spark job.

The model is named by a version before anything runs: should the champion change meanwhile, all rows
still come from one model.
"""

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as t

from pipelines.cli import param
from pipelines.errors import ParameterError, TableError
from pipelines.evaluation.scorer import Scorer
from pipelines.layout import Layout
from pipelines.registry import package, store
from pipelines.state import read_features
from pipelines.step import Fates, StepKey, StepResult, once, step_key
from pipelines.tables.delta import is_standing, read_table
from pipelines.tables.ledger import Target, check_fates, write_all
from pipelines.tables.ledger_table import account_for, require_passed
from pipelines.tables.live_files import is_whole
from pipelines.tables.version import TableVersion, parse_version
from schemas.catalog import dataset
from schemas.contract import SPLIT_COLUMN, SPLITS
from schemas.encode import FeatureSet
from schemas.target import prediction_columns

ALL = "all"
_OUTSIDE = "outside_split"


@dataclass(frozen=True, slots=True)
class ScoreParams:
    """Write what a registered model says of the rows of a features table."""

    dataset: str = param("Data set, a contract in schemas/; also the registered model's name")
    root: str = param("Folder that holds all tables and files")
    features: str = param("Features table pinned to a version, like path@v3")
    model: str = param("Registered version: a number, or champion", store.CHAMPION)
    split: str = param("Rows to score: train, validation, test or all", "test")
    registry: str = param("postgresql://USER@HOST/NAME on this machine; empty for SQLite", "")


def run(spark: SparkSession, params: ScoreParams) -> StepResult:
    """Score one table version with one model version; a repeated run gives the recorded result.

    Raises:
        ParameterError: No such model or split, or a registered file was changed or lost.
        TableError: No such table version, or it lacks a column of the model.
        LedgerError: Other rows came out than went in.
    """
    if params.split not in (*SPLITS, ALL):
        raise ParameterError(f"--split: expected one of {[*SPLITS, ALL]}; got {params.split!r}")
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    registry = store.open_registry(params.registry, layout.registry)
    version = store.resolve(registry, params.dataset, params.model)
    digest = package.digest_of(version.name, version.number, version.tags)
    pinned = (str(parse_version(params.features)), version.number, digest)
    key = step_key("score", layout, spec.fingerprint(), pinned, params.split)
    made = once(
        key,
        lambda: _score(spark, params, key, version),
        lambda known: _is_there(parse_version(known.tables[0])),
    )
    return account_for(made, layout)


def _is_there(table: TableVersion) -> bool:
    return is_standing(table) and is_whole(table)


def _score(
    spark: SparkSession, params: ScoreParams, key: StepKey, version: store.Version
) -> StepResult:
    require_passed((params.features,))
    expected = package.digest_of(version.name, version.number, version.tags)
    manifest = package.open_package(version.folder, expected)
    features = read_features(version.folder / package.STATE)
    source = parse_version(params.features)
    table = read_table(spark, source)
    _check_columns(table, features, str(source))
    counts = count_splits(table)
    rows = table if params.split == ALL else table.where(F.col(SPLIT_COLUMN) == params.split)
    if not counts.get(params.split, 0) and params.split != ALL:
        raise TableError(f"{source}: the split {params.split} is empty; it has {sorted(counts)}")
    model = str(version.folder / package.MODEL)
    digest = manifest["files"][package.MODEL]
    kept = kept_columns(table, dataset(params.dataset).main.long_key, features.label)
    scored = score_rows(rows, Scorer(model, digest, features, kept))
    marked = name_classes(scored, features).withColumns(
        {
            "model_name": F.lit(version.name),
            "model_version": F.lit(version.number),
            "features_version": F.lit(source.version).cast("long"),
        }
    )
    written = write_all(marked, Target(key.layout.predictions, key.fingerprint))
    found = explain_fates(written.fates, counts, params.split)
    check_fates(str(written.table), found)
    details: dict[str, Any] = {"name": version.name, "version": version.number}
    details |= {"split": params.split, "features": str(source), "model_sha256": digest}
    return StepResult(
        "score",
        params.dataset,
        key.fingerprint,
        tables=(str(written.table),),
        rows={source.name: found},
        details=details,
    )


def score_rows(rows: DataFrame, scorer: Scorer) -> DataFrame:
    """Give one row for each of ``rows``: the columns that ``scorer`` keeps, and what it says."""
    kept = [rows.schema[name] for name in scorer.kept]
    types = {"double": t.DoubleType(), "string": t.StringType()}
    said = prediction_columns(scorer.features.target.kind)
    schema = t.StructType([*kept, *[t.StructField(n, types[k], False) for n, k in said.items()]])
    needed = [*dict.fromkeys([*scorer.kept, *scorer.features.columns])]
    return rows.select(*needed).mapInArrow(scorer, schema)


def name_classes(scored: DataFrame, features: FeatureSet) -> DataFrame:
    """Give a label that is one of several classes by its name, as the prediction is."""
    label, classes = features.label, features.target.classes
    if not classes or label not in scored.columns:
        return scored
    names = F.array(*[F.lit(name) for name in classes])
    return scored.withColumn(label, F.get(names, F.col(label)))


def kept_columns(table: DataFrame, primary_key: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Give the columns that pass unchanged: key, split and label, those that the table has."""
    wanted = (*primary_key, SPLIT_COLUMN, label)
    return tuple(name for name in dict.fromkeys(wanted) if name in table.columns)


def count_splits(table: DataFrame) -> dict[str, int]:
    """Count the rows of each split; the split is a folder, so no data column is read."""
    found = table.groupBy(SPLIT_COLUMN).count().collect()
    return {row[SPLIT_COLUMN]: row["count"] for row in found}


def explain_fates(written: Fates, counts: dict[str, int], split: str) -> Fates:
    """Set the rows written beside all rows of the table; rows of other splits are filtered.

    The count of the wanted rows comes from the input, so a row lost or doubled in a worker shows
    as an unexplained one.
    """
    outside = sum(rows for name, rows in counts.items() if split not in (name, ALL))
    filtered = {_OUTSIDE: outside} if outside else {}
    return Fates(read=sum(counts.values()), kept=written.kept, filtered=filtered)


def _check_columns(table: DataFrame, features: FeatureSet, name: str) -> None:
    missing = sorted({*features.columns, SPLIT_COLUMN} - set(table.columns))
    if missing:
        raise TableError(
            f"{name}: the model needs the columns {missing}; got {table.columns}. Give a features "
            "table made with the state that the model was trained with"
        )
