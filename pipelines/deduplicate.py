"""Step deduplicate: raw tables in, one row per primary key out."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from pipelines.cli import param
from pipelines.layout import Layout
from pipelines.quality.riding import riding
from pipelines.quality.set_aside import check_shares, mark_broken
from pipelines.spark.concurrent import map_tables
from pipelines.step import StepKey, StepResult, once, step_key
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import Target, Written, check_fates, write_kept
from pipelines.tables.ledger_table import account_for, require_passed
from pipelines.tables.quarantine import set_aside
from pipelines.tables.version import TableVersion, parse_versions
from pipelines.transforms.deduplicate import (
    CONFLICT,
    DUPLICATE,
    OLDER_VERSION,
    mark_duplicates,
)
from schemas.catalog import dataset
from schemas.contract import DatasetSpec, Source
from schemas.derive import LINEAGE_NAMES, table_spec


@dataclass(frozen=True, slots=True)
class DeduplicateParams:
    """Keep the latest version of each primary key; duplicates and older versions are counted."""

    dataset: str = param("name of the data set, a module of schemas/")
    root: str = param("folder of all tables")
    inputs: tuple[str, ...] = param("raw tables, each pinned to a version: PATH@vN")


def run(spark: SparkSession, params: DeduplicateParams) -> StepResult:
    """Deduplicate every source of a data set; a re-run leaves the same rows."""
    spec = dataset(params.dataset)
    inputs = parse_versions(params.inputs, [source.name for source in spec.sources])
    key = step_key("deduplicate", Layout(params.root, spec.name), spec.fingerprint(), params)

    def make() -> StepResult:
        require_passed(params.inputs)
        written = map_tables(
            spark,
            lambda source: _deduplicate(spark, spec, source, inputs[source.name], key),
            spec.sources,
        )
        made = dict(zip([source.name for source in spec.sources], written, strict=True))
        set_aside(spark, key, made)
        for name, (_, item) in made.items():
            check_shares(str(item.table), item.fates, table_spec(spec, "deduplicated", name))
        return StepResult(
            key.step,
            spec.name,
            key.fingerprint,
            tuple(str(item.table) for _, item in written),
            {name: item.fates for name, (_, item) in made.items()},
            numbers={name: item.numbers for name, (_, item) in made.items()},
        )

    return account_for(once(key, make, is_written), key.layout)


def _deduplicate(
    spark: SparkSession, spec: DatasetSpec, source: Source, raw: TableVersion, key: StepKey
) -> tuple[DataFrame, Written]:
    rows = read_table(spark, raw)
    contract = table_spec(spec, "deduplicated", source.name)
    unique = mark_duplicates(rows, source.primary_key, source.version_by, LINEAGE_NAMES)
    marked, broken = mark_broken(unique, contract)
    target = Target(key.layout.table("deduplicated", source.name), key.fingerprint)
    fates = (DUPLICATE, OLDER_VERSION, CONFLICT, *broken)
    written = write_kept(marked, target, fates, riding(contract, rows))
    check_fates(str(written.table), written.fates, num_input=count_rows(raw))
    return marked, written
