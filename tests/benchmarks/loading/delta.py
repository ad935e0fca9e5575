"""A Delta table of a benchmark, written without Spark."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def write_delta(folder: Path, parts: Iterable[pa.Table], group_rows: int) -> tuple[str, ...]:
    """Write version 0 of a table, all in its training split, and give the paths of its files.

    Args:
        folder: The table's.
        parts: The rows of each file.
        group_rows: Rows of a row group.
    """
    metadata = {"metaData": {"partitionColumns": ["split"], "configuration": {}}}
    actions: list[Any] = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}, metadata]
    files: list[Path] = []
    for number, part in enumerate(parts):
        name = f"split=train/part-{number:05d}.parquet"
        files.append(folder / name)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, files[-1], row_group_size=group_rows)
        size = files[-1].stat().st_size
        added = {"path": name, "partitionValues": {"split": "train"}, "size": size}
        actions.append({"add": added})
    log = folder / "_delta_log" / f"{0:020d}.json"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("\n".join(json.dumps(action) for action in actions))
    return tuple(map(str, files))
