"""The live files of each split of a features table, for those who read them in plain batches."""

from pipelines.loading.columns import InputColumns
from pipelines.loading.local_copies import LocalCopies
from pipelines.loading.manifest import read_manifest
from schemas.contract import SPLITS
from schemas.encode import FeatureSet


def split_files(
    path: str, version: int, features: FeatureSet, copies: LocalCopies
) -> dict[str, list[str]]:
    """Give the Parquet files of each split; a split without rows has none.

    Args:
        path: Of the table.
        version: Of the table.
        features: Columns that will be read.
        copies: Where a remote table's are.

    Raises:
        ParameterError: There is no folder for copies.
        TableError: The table is missing, or can't be read safely.
    """
    folder = copies.local(path, version)
    manifest = read_manifest(folder, version, InputColumns.of(features))
    return {
        # a file appears once for each of its row groups
        split: list(dict.fromkeys(group.file for group in manifest.splits.get(split, ())))
        for split in SPLITS
    }
