"""Step impute: fill nulls of the main source and of the tables looked up."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.cli import param
from pipelines.layout import Layout
from pipelines.spark.concurrent import map_tables
from pipelines.state import write_json
from pipelines.step import Fates, StepKey, StepResult, once, step_key
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import check_fates, write_all
from pipelines.tables.version import TableVersion, parse_versions
from pipelines.transforms.impute import Fill, fit_impute, impute
from schemas.catalog import dataset
from schemas.contract import SPLIT_COLUMN, DatasetSpec, Source
from schemas.derive import imputed_sources, imputes_of, table_spec


@dataclass(frozen=True, slots=True)
class ImputeParams:
    """Fill nulls as the contract says; what is fitted is fitted on the training split only."""

    dataset: str = param("name of the data set, a module of schemas/")
    root: str = param("folder of all tables")
    inputs: tuple[str, ...] = param(
        "split table of the main source and deduplicated tables of the sources to impute: PATH@vN"
    )


def run(spark: SparkSession, params: ImputeParams) -> StepResult:
    """Impute every source that the contract wants imputed; the fitted values are kept as JSON."""
    spec = dataset(params.dataset)
    names = imputed_sources(spec)
    inputs = parse_versions(params.inputs, names)
    key = step_key("impute", Layout(params.root, spec.name), spec.fingerprint(), params)

    def make() -> StepResult:
        made = map_tables(spark, lambda name: _impute(spark, spec, name, inputs[name], key), names)
        tables = tuple(str(table) for table, _, _ in made)
        rows = {name: fates for name, (_, fates, _) in zip(names, made, strict=True)}
        state = {
            name: [asdict(fill) for fill in fills]
            for name, (_, _, fills) in zip(names, made, strict=True)
        }
        path = _write_state(key, {"inputs": params.inputs, "fills": state})
        return StepResult(key.step, spec.name, key.fingerprint, tables, rows, {"state": str(path)})

    return once(key, make, is_written)


def _impute(
    spark: SparkSession, spec: DatasetSpec, name: str, table: TableVersion, key: StepKey
) -> tuple[TableVersion, Fates, tuple[Fill, ...]]:
    filled, fills = _fill(spark, read_table(spark, table), spec.source(name), spec)
    wanted = [column.name for column in table_spec(spec, "imputed", name).columns]
    target = key.layout.table("imputed", name)
    written, fates = write_all(filled.select(*wanted), target, key.fingerprint)
    check_fates(str(written), fates, num_input=count_rows(table))
    return written, fates, fills


def _fill(
    spark: SparkSession, rows: DataFrame, source: Source, spec: DatasetSpec
) -> tuple[DataFrame, tuple[Fill, ...]]:
    imputes = imputes_of(spec, source)
    is_main = source.name == spec.main.name
    train = rows.where(F.col(SPLIT_COLUMN) == "train") if is_main else rows
    fills = fit_impute(train, imputes, source.primary_key)
    return impute(rows, fills, source.time, spark), fills


def _write_state(key: StepKey, state: dict[str, Any]) -> Path:
    path = key.layout.states / f"{key.step}-{key.fingerprint}.json"
    write_json(path, {"dataset": key.layout.dataset, "fingerprint": key.fingerprint, **state})
    return path
