"""Step split: derived columns, the label, and which split each row belongs to."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from pipelines.cli import param
from pipelines.errors import ContractError
from pipelines.layout import Layout
from pipelines.step import FATE, StepKey, StepResult, once, step_key
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import check_fates, write_kept
from pipelines.tables.version import TableVersion, parse_versions
from pipelines.transforms.split import OUTSIDE_SPLIT, add_derived, add_label, mark_split
from schemas.catalog import dataset
from schemas.contract import SPLIT_COLUMN, SPLITS, DatasetSpec
from schemas.derive import early_derived, main_columns


@dataclass(frozen=True, slots=True)
class SplitParams:
    """Assign each row to train, validation or test, before anything is fitted."""

    dataset: str = param("name of the data set, a module of schemas/")
    root: str = param("folder of all tables")
    inputs: tuple[str, ...] = param("deduplicated table of the main source: PATH@vN")


def run(spark: SparkSession, params: SplitParams) -> StepResult:
    """Split the main source of a data set.

    Raises:
        ContractError: A split got no row: its range or fraction misses the data.
    """
    spec = dataset(params.dataset)
    source = parse_versions(params.inputs, [spec.main.name])[spec.main.name]
    key = step_key("split", Layout(params.root, spec.name), spec.fingerprint(), params)
    return once(key, lambda: _split(spark, spec, source, key), is_written)


def _split(
    spark: SparkSession, spec: DatasetSpec, source: TableVersion, key: StepKey
) -> StepResult:
    rows = add_label(add_derived(read_table(spark, source), early_derived(spec)), spec.label)
    marked = mark_split(rows, spec.split)
    sizes = _sizes(marked, spec)
    wanted = [column.name for column in main_columns(spec)]
    target = key.layout.table("split", spec.main.name)
    marked = marked.select(*wanted, FATE)
    table, fates = write_kept(marked, target, key.fingerprint, (OUTSIDE_SPLIT,))
    check_fates(str(table), fates, num_input=count_rows(source))
    rows_by_fate, details = {spec.main.name: fates}, {"splits": sizes}
    return StepResult(
        key.step, spec.name, key.fingerprint, (str(table),), rows_by_fate, details=details
    )


def _sizes(marked: DataFrame, spec: DatasetSpec) -> dict[str, int]:
    counts = marked.groupBy(SPLIT_COLUMN).count().collect()
    found = {row[SPLIT_COLUMN]: row["count"] for row in counts}
    sizes = {name: found.get(name, 0) for name in SPLITS}
    empty = [name for name, size in sizes.items() if not size]
    if empty:
        raise ContractError(
            f"{spec.name}: expected rows in each split; {empty} got none of {sum(found.values())} "
            f"({found.get(None, 0)} are in no split). The contract says {spec.split}: change "
            "it, or give data that it covers"
        )
    return sizes
