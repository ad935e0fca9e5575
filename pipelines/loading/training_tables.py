"""The tables that a training learns from: opened, planned, and described before the first step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.errors import TrainingError
from pipelines.loading.columns import InputColumns
from pipelines.loading.dataset import Reading, Split, load_split
from pipelines.loading.few_rows import keep_few
from pipelines.loading.local_copies import LocalCopies
from pipelines.loading.manifest import Manifest, read_manifest
from pipelines.loading.mixture import Mixture, mix, share_batch
from pipelines.loading.row_filter import RowFilter
from pipelines.loading.shard_plan import ShardPlan
from pipelines.loading.shuffle_quality import measure_mixing
from pipelines.world import World
from schemas.encode import FeatureSet


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of each table: columns, the rows that match all filters, and from which copy.

    With ``rows_per_class`` so many training rows of each class of the first, drawn with ``seed``.
    """

    columns: InputColumns
    filters: Sequence[RowFilter]
    copies: LocalCopies
    rows_per_class: int = 0
    seed: int = 0


def read_tables(
    tables: Sequence[tuple[str, int]], wanted: Wanted, features: FeatureSet, world: World
) -> list[Manifest]:
    """Read what the log says of each table, given by path and version.

    Raises:
        TableError: A table is missing, unsafe to read, or not of these columns.
        TrainingError: All labels to learn from are the same.
    """
    found = [
        read_manifest(
            wanted.copies.local(path, version), version, wanted.columns, wanted.filters, world
        )
        for path, version in tables
    ]
    if wanted.rows_per_class:
        found[0] = keep_few(found[0], wanted.rows_per_class, wanted.seed)
    _check_labels(found[0], features)
    return found


def open_splits(
    tables: Sequence[Manifest], shares: Sequence[float], world: World, reading: Reading
) -> tuple[Split | Mixture, Split]:
    """Open the training split of all tables, and the validation split of the first.

    Args:
        tables: What was found of each table.
        shares: Of each but the first, its share of a batch.
        world: This rank.
        reading: How the training split is read; the validation split is read in the table's order.

    Raises:
        ParameterError: Batch size, ranks, shares or memory do not fit.
        TableError: A split is empty.
        TrainingError: There are fewer rows than ranks.
    """
    sizes = share_batch(reading.global_batch_size, shares)
    splits = [
        load_split(table, "train", world, replace(reading, global_batch_size=size))
        for table, size in zip(tables, sizes, strict=True)
    ]
    plain = Reading(reading.global_batch_size, is_trimmed=reading.is_trimmed)
    validation = load_split(tables[0], "validation", world, plain)
    return mix(splits), validation


def describe(table: Manifest, plan: ShardPlan, world: World) -> str:
    """Say what an epoch of a table holds, how even the ranks' shares are and how well it mixes."""
    shares = [plan.rows_of_rank(World(rank, world.size)) for rank in range(world.size)]
    left_out, reasons = table.filtered.get("train", 0), [*map(str, table.filters)]
    reasons += [f"{table.rows_per_class} of each class"] if table.rows_per_class else []
    filters = f", {left_out:,} left out by {' and '.join(reasons)}"
    return (
        f"{plan.num_rows:,} rows in {len(plan.rows)} row groups"
        f"{filters if reasons else ''}; {plan.num_steps} steps of {plan.global_batch_size}; "
        f"{min(shares):,} to {max(shares):,} rows for each of {world.size} ranks; a batch draws on "
        f"{measure_mixing(plan):.0%} of the row groups of a full shuffle"
    )


def _check_labels(manifest: Manifest, features: FeatureSet) -> None:
    found = manifest.label_range("train")
    if found is not None and found[0] == found[1]:
        words = {"binary": "labels 0 and 1", "classes": "labels of several classes"}
        expected = words.get(features.target.kind, "labels that differ")
        raise TrainingError(
            f"{manifest.table}: expected {expected} in split 'train'; all "
            f"{manifest.num_rows('train')} rows have {found[0]}. Change the label or the split of "
            "the contract"
        )
