"""Step deduplicate: raw tables in, one row per primary key out."""

from dataclasses import dataclass

from pyspark.sql import SparkSession

from pipelines.cli import param
from pipelines.layout import Layout
from pipelines.spark.concurrent import map_tables
from pipelines.step import Fates, StepKey, StepResult, once, step_key
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import check_fates, write_kept
from pipelines.tables.version import TableVersion, parse_versions
from pipelines.transforms.deduplicate import (
    CONFLICT,
    DUPLICATE,
    OLDER_VERSION,
    mark_duplicates,
)
from schemas.catalog import dataset
from schemas.contract import Source
from schemas.derive import LINEAGE_NAMES


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
        written = map_tables(
            spark,
            lambda source: _deduplicate(spark, source, inputs[source.name], key),
            spec.sources,
        )
        tables = tuple(str(table) for table, _ in written)
        rows = {
            source.name: fates for source, (_, fates) in zip(spec.sources, written, strict=True)
        }
        return StepResult(key.step, spec.name, key.fingerprint, tables, rows)

    return once(key, make, is_written)


def _deduplicate(
    spark: SparkSession, source: Source, raw: TableVersion, key: StepKey
) -> tuple[TableVersion, Fates]:
    rows = read_table(spark, raw)
    marked = mark_duplicates(rows, source.primary_key, source.version_by, LINEAGE_NAMES)
    target = key.layout.table("deduplicated", source.name)
    fates = (DUPLICATE, OLDER_VERSION, CONFLICT)
    table, found = write_kept(marked, target, key.fingerprint, fates)
    check_fates(str(table), found, num_input=count_rows(raw))
    return table, found
