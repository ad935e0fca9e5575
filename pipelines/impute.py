"""Step impute: fill nulls of the main source and of the tables looked up."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.cli import param
from pipelines.layout import Layout
from pipelines.quality.riding import riding
from pipelines.quality.set_aside import check_shares, mark_broken
from pipelines.spark.concurrent import map_tables
from pipelines.state import write_json
from pipelines.step import FATE, StepKey, StepResult, once, step_key
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import KEPT, Target, Written, check_fates, write_kept
from pipelines.tables.ledger_table import account_for, require_passed
from pipelines.tables.quarantine import set_aside
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
        require_passed(params.inputs)
        imputed = map_tables(
            spark, lambda name: _impute(spark, spec, name, inputs[name], key), names
        )
        made = dict(zip(names, imputed, strict=True))
        set_aside(spark, key, {name: (rows, item) for name, (rows, item, _) in made.items()})
        for name, (_, written, _) in made.items():
            contract = table_spec(spec, "imputed", name)
            check_shares(str(written.table), written.fates, contract)
        state = {name: [asdict(fill) for fill in fills] for name, (_, _, fills) in made.items()}
        path = _write_state(key, {"inputs": params.inputs, "fills": state})
        return StepResult(
            key.step,
            spec.name,
            key.fingerprint,
            tuple(str(written.table) for _, written, _ in made.values()),
            {name: written.fates for name, (_, written, _) in made.items()},
            {"state": str(path)},
            numbers={name: written.numbers for name, (_, written, _) in made.items()},
        )

    return account_for(once(key, make, is_written), key.layout)


def _impute(
    spark: SparkSession, spec: DatasetSpec, name: str, table: TableVersion, key: StepKey
) -> tuple[DataFrame, Written, tuple[Fill, ...]]:
    filled, fills = _fill(spark, read_table(spark, table), spec.source(name), spec)
    contract = table_spec(spec, "imputed", name)
    wanted = filled.select(*[column.name for column in contract.columns])
    marked, broken = mark_broken(wanted.withColumn(FATE, F.lit(KEPT)), contract)
    target = Target(key.layout.table("imputed", name), key.fingerprint)
    written = write_kept(marked, target, broken, riding(contract, wanted))
    check_fates(str(written.table), written.fates, num_input=count_rows(table))
    return marked, written, fills


def _fill(
    spark: SparkSession, rows: DataFrame, source: Source, spec: DatasetSpec
) -> tuple[DataFrame, tuple[Fill, ...]]:
    imputes = imputes_of(spec, source)
    is_main = source.name == spec.main.name
    train = rows.where(F.col(SPLIT_COLUMN) == "train") if is_main else rows
    fills = fit_impute(train, imputes, source.long_key)
    return impute(rows, fills, source.time, spark), fills


def _write_state(key: StepKey, state: dict[str, Any]) -> Path:
    path = key.layout.states / f"{key.step}-{key.fingerprint}.json"
    write_json(path, {"dataset": key.layout.dataset, "fingerprint": key.fingerprint, **state})
    return path
