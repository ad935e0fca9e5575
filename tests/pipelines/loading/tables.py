"""Tiny Delta tables, written as files and log by hand: no Spark, and faults can be planted."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.loading.columns import InputColumns

COLUMNS = InputColumns(("x0", "x1"), ("c0",), (5,), "label")
PROTOCOL = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}


def rows(count: int, *, seed: int = 0, first_id: int = 0) -> pa.Table:
    """``count`` rows that a small network can learn from; x0 of row i is unique: first_id + i."""
    random = np.random.default_rng(seed)
    x1 = random.normal(size=count).astype(np.float32)
    c0 = random.integers(0, 5, count).astype(np.int32)
    chance = 1 / (1 + np.exp(-(1.5 * x1 + (c0 - 2))))
    return pa.table(
        {
            "key": pa.array([f"k{first_id + i}" for i in range(count)]),
            "c0": pa.array(c0),
            "x1": pa.array(x1),
            "label": pa.array((random.random(count) < chance).astype(np.int32)),
            "x0": pa.array(np.arange(first_id, first_id + count, dtype=np.float32)),
        }
    )


def write_table(
    folder: Path, splits: Mapping[str, Sequence[pa.Table]], *, actions: Sequence[Any] = ()
) -> Path:
    """Write version 0: one file for each table; ``actions`` go before the files' adds."""
    metadata = {"metaData": {"partitionColumns": ["split"], "configuration": {}}}
    lines: list[Any] = [PROTOCOL, metadata, *actions]
    for split, tables in splits.items():
        lines += [add_file(folder, split, number, table) for number, table in enumerate(tables)]
    commit(folder, 0, lines)
    return folder


def write_two_versions(folder: Path, count: int = 100) -> Path:
    """Write version 0 with two files, and version 1 with the second of them and a third."""
    write_table(folder, {"train": [rows(count), rows(count, first_id=count)]})
    first = json.loads((folder / f"_delta_log/{0:020d}.json").read_text().splitlines()[2])["add"]
    added = add_file(folder, "train", 7, rows(count, first_id=2 * count))
    commit(folder, 1, [{"remove": {"path": first["path"]}}, added])
    return folder


def add_file(folder: Path, split: str, number: int, table: pa.Table) -> dict[str, Any]:
    """Write one data file and give its add action."""
    name = f"split={split}/part-{number:05d} 1.parquet"  # a blank, so that paths need decoding
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    stats = {"numRecords": table.num_rows}
    return {
        "add": {
            "path": quote(name),
            "partitionValues": {"split": split},
            "size": path.stat().st_size,
            "stats": json.dumps(stats),
        }
    }


def commit(folder: Path, version: int, actions: Sequence[Any]) -> None:
    """Write one commit of the log."""
    log = folder / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(action) for action in actions)
    (log / f"{version:020d}.json").write_text(text)
