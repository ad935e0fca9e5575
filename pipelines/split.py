"""Step split: derived columns, the label, and which split each row belongs to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.cli import param
from pipelines.errors import ContractError
from pipelines.layout import Layout
from pipelines.quality.riding import riding
from pipelines.quality.set_aside import check_shares, mark_broken
from pipelines.spark.scratch import keep_rows, scratch_folder
from pipelines.step import FATE, StepKey, StepResult, once, step_key
from pipelines.tables.delta import count_rows, is_written, read_table
from pipelines.tables.ledger import Target, check_fates, write_kept
from pipelines.tables.ledger_table import account_for, require_passed
from pipelines.tables.quarantine import set_aside
from pipelines.tables.version import TableVersion, parse_versions
from pipelines.transforms.label import add_label
from pipelines.transforms.look_alike import count_same, hash_images
from pipelines.transforms.near_duplicates import (
    NEAR_DUPLICATE,
    NEAR_OTHER_SPLIT,
    count_near,
    find_near,
    hash_texts,
    mark_near,
)
from pipelines.transforms.split import OUTSIDE_SPLIT, add_derived, mark_split
from pipelines.transforms.unpivot import unpivot
from schemas.catalog import dataset
from schemas.contract import SPLIT_COLUMN, SPLITS, DatasetSpec
from schemas.derive import early_derived, main_columns, table_spec
from schemas.image import ImageShape
from schemas.near import NearImages


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

    def make() -> StepResult:
        require_passed(params.inputs)
        with scratch_folder(key.layout.scratch(key.step, key.fingerprint)) as folder:
            return _split(spark, spec, source, key, folder)

    return account_for(once(key, make, is_written), key.layout)


def _split(
    spark: SparkSession, spec: DatasetSpec, source: TableVersion, key: StepKey, folder: Path
) -> StepResult:
    rows = unpivot(read_table(spark, source), spec.main)
    rows = add_label(add_derived(rows, early_derived(spec)), spec.label)
    marked, near = _mark_near(mark_split(rows, spec.split), spec, folder)
    sizes = _sizes(marked, spec)
    wanted = [column.name for column in main_columns(spec)]
    target = Target(key.layout.table("split", spec.main.name), key.fingerprint)
    contract = table_spec(spec, "split", spec.main.name)
    marked, broken = mark_broken(marked.select(*wanted, FATE), contract)
    fates = (OUTSIDE_SPLIT, NEAR_OTHER_SPLIT, NEAR_DUPLICATE, *broken)
    written = write_kept(marked, target, fates, riding(contract, marked))
    num_input = count_rows(source) * spec.main.rows_of_each
    check_fates(str(written.table), written.fates, num_input=num_input)
    set_aside(spark, key, {spec.main.name: (marked, written)})
    check_shares(str(written.table), written.fates, contract)
    return StepResult(
        key.step,
        spec.name,
        key.fingerprint,
        (str(written.table),),
        {spec.main.name: written.fates},
        details={"splits": sizes} | near,
        numbers={spec.main.name: written.numbers},
    )


def _mark_near(
    marked: DataFrame, spec: DatasetSpec, folder: Path
) -> tuple[DataFrame, dict[str, Any]]:
    """Mark near duplicates where the contract asks for it; and give what was found."""
    near, key = spec.near_duplicates, spec.main.primary_key
    if near is None:
        return marked, {}
    kept = marked.where(F.col(FATE) == "kept")
    if isinstance(near, NearImages):
        hashes = hash_images(kept, key, near, _shape(spec, near.column))
    else:
        hashes = hash_texts(kept, key, near)
    hashed = keep_rows(hashes, folder / "hashed")
    found = keep_rows(find_near(hashed, near.similarity), folder / "near")
    said: dict[str, Any] = {"rows": count_near(found)}
    said |= {"across": near.across, "within": near.within}
    if isinstance(near, NearImages):
        said["same"] = count_same(hashed)
    return mark_near(marked, found, key, near), {"near_duplicates": said}


def _shape(spec: DatasetSpec, name: str) -> ImageShape:
    """Give what each image of a column is; the contract's rules see to it that one is said."""
    (shape,) = [column.image for column in spec.main.columns if column.name == name]
    if shape is None:
        raise ContractError(f"{spec.name}: expected the image of {name} to be described; it is not")
    return shape


def _sizes(marked: DataFrame, spec: DatasetSpec) -> dict[str, int]:
    kept = marked.where(F.col(FATE).isin("kept", OUTSIDE_SPLIT))
    counts = kept.groupBy(SPLIT_COLUMN).count().collect()
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
