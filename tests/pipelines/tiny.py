"""A data set of three columns, its features table and a small network, for tests of the model side.

The Delta log is written by hand, so no test has to start Spark for a table.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.contract import Column, DatasetSpec, HashSplit, Label, Source
from schemas.encode import FeatureSet

SPLIT_ROWS = {"train": 600, "validation": 200, "test": 200}
STATE = {
    "features": [
        # not the order of the table: columns go by name
        {"name": "y_num", "kind": "numeric", "size": 0},
        {"name": "shop_code", "kind": "categorical", "size": 3},
        {"name": "x_num", "kind": "numeric", "size": 0},
    ],
    "label": "is_late",
}
SPEC = DatasetSpec(
    name="tiny",
    title="Tiny",
    question="Is it late?",
    sources=(
        Source(
            "orders",
            "package:none/orders.csv",
            (Column("order_id", "long"), Column("x", "double"), Column("y", "double")),
            primary_key=("order_id",),
        ),
    ),
    label=Label("is_late", "x > 0"),
    split=HashSplit(("order_id",)),
)
_FIELDS = {
    "order_id": "long",
    "x_num": "float",
    "y_num": "float",
    "shop_code": "integer",
    "is_late": "integer",
    "split": "string",
}


def write_features(
    folder: Path, classes: dict[str, tuple[int, ...]] | None = None, shifted: str = ""
) -> str:
    """Write a features table of ``SPLIT_ROWS``; gives its pinned name.

    The label follows x and the shop, with noise. ``classes`` keeps, for a split, only rows with
    these labels; no label leaves the split without a file. ``shifted`` names a split whose rows
    with a low x are left out.
    """
    random = np.random.default_rng(7)
    added, start = [], 0
    for split, rows in SPLIT_ROWS.items():
        table = _rows(random, start, rows)
        start += rows
        if classes and split in classes:
            keep = np.isin(table["is_late"].to_numpy(), list(classes[split]))
            table = table.filter(pa.array(keep))
        if split == shifted:
            table = table.filter(pa.array(table["x_num"].to_numpy() > 0.3))
        if table.num_rows:
            added.append(add_split(folder, split, table))
    log = folder / "_delta_log"
    log.mkdir(parents=True)
    head = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": metadata(_FIELDS)},
    ]
    lines = [json.dumps(action) for action in [*head, *added]]
    (log / f"{0:020d}.json").write_text("\n".join(lines) + "\n")
    # what an interrupted writer leaves: in the folder, not in the table
    (folder / "split=train" / "orphan.parquet").write_bytes(b"not a parquet file")
    return f"{folder}@v0"


FEATURES = FeatureSet(("y_num", "x_num"), ("shop_code",), (3,), "is_late")


def write_state(path: Path) -> str:
    """Write the state of engineer_features for the tiny table."""
    path.write_text(json.dumps(STATE))
    return str(path)


def save_model(path: Path, scale: float = 1.0, activation: str = "sigmoid") -> str:
    """Save a network of a few weights; with ``scale`` 0 its output is the same for every row."""
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(3)
    numeric = keras.Input((2,), name="numeric", dtype="float32")
    categorical = keras.Input((1,), name="categorical", dtype="int32")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(3, 2)(categorical))
    joined = keras.layers.Concatenate()([numeric, embedded])
    output = keras.layers.Dense(1, activation=activation)(joined)
    model = keras.Model({"numeric": numeric, "categorical": categorical}, output)
    # y counts 0.1, x counts 2: a model that swaps the columns is seen at once
    weights = np.array([[0.1], [2.0], [0.3], [-0.3]], np.float32) * scale
    model.layers[-1].set_weights([weights, np.zeros(1, np.float32)])
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return str(path)


def _rows(random: np.random.Generator, start: int, rows: int) -> pa.Table:
    x = random.normal(size=rows).astype(np.float32)
    shop = random.integers(3, size=rows).astype(np.int32)
    is_late = (x + 0.5 * (shop == 1) + random.normal(size=rows) > 0.2).astype(np.int32)
    return pa.table(
        {
            "order_id": np.arange(start, start + rows, dtype=np.int64),
            "x_num": x,
            "y_num": random.normal(size=rows).astype(np.float32),
            "shop_code": shop,
            "is_late": is_late,
        }
    )


def add_split(folder: Path, split: str, table: pa.Table) -> dict[str, object]:
    """Write one file of a split; gives its line of the log."""
    relative = f"split={split}/part-0.parquet"
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=150)
    return {
        "add": {
            "path": relative,
            "partitionValues": {"split": split},
            "size": path.stat().st_size,
            "modificationTime": 0,
            "dataChange": True,
            "stats": json.dumps({"numRecords": table.num_rows}),
        }
    }


def metadata(types: dict[str, str]) -> dict[str, object]:
    """Give the metadata of a table with these columns, partitioned by split."""
    fields = [
        {"name": name, "type": kind, "nullable": True, "metadata": {}}
        for name, kind in types.items()
    ]
    return {
        "id": "00000000-0000-0000-0000-000000000000",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": ["split"],
        "configuration": {},
        "createdTime": 0,
    }
