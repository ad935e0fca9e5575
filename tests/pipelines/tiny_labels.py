"""The data set ``tiny`` with other labels: one of three classes, and a number.

The Delta log is written by hand, so no test has to start Spark for a table.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.contract import DatasetSpec, Label
from schemas.encode import Numeric
from schemas.target import Target, target_of
from tests.pipelines import tiny

SIZES = Label("size", "size", classes=("small", "middle", "large"))
PRICE = Label("price", "price", is_number=True, unit="euro", naive="x")
ROWS = tiny.SPLIT_ROWS
# of x in the raw rows, so that the naive forecast is 40 + 10 x
SHIFT, WIDTH = 40.0, 10.0


@dataclass(frozen=True)
class Tiny:
    """A contract, its features table, and the state with which it was made."""

    spec: DatasetSpec
    features: str
    state: str

    @property
    def target(self) -> Target:
        """What its networks give."""
        return target_of(self.spec.label, 45.0, 12.0)


def make(folder: Path, label: Label) -> Tiny:
    """Write the table and the state of a label; classes and prices follow x and the shop."""
    spec = replace(tiny.SPEC, label=label, encodes=(Numeric("x"), Numeric("y")))
    log, start = folder / "features" / "_delta_log", 0
    random = np.random.default_rng(7)
    types = {
        "order_id": "long", "x_num": "float", "y_num": "float", "shop_code": "integer",
        label.name: "float" if label.is_number else "integer", "split": "string",
    }  # fmt: skip
    lines: list[Mapping[str, object]] = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": tiny.metadata(types)},
    ]
    for split, rows in ROWS.items():
        table = _rows(random, start, rows, label)
        lines.append(tiny.add_split(folder / "features", split, table))
        start += rows
    log.mkdir(parents=True)
    text = "\n".join(json.dumps(line) for line in lines)
    (log / f"{0:020d}.json").write_text(text)
    made = Tiny(spec, f"{folder / 'features'}@v0", str(folder / "state.json"))
    scales = {name: {"column": name[0], "shift": SHIFT, "width": WIDTH}
              for name in ("x_num", "y_num")}  # fmt: skip
    state = tiny.STATE | {"label": label.name, "target": asdict(made.target)}
    Path(made.state).write_text(json.dumps(state | {"encode": {"scales": scales}}))
    return made


def rows_of(made: Tiny, split: str) -> pa.Table:
    """The rows of a split, as they were written."""
    return pq.read_table(f"{made.features.partition('@')[0]}/split={split}/part-0.parquet")


def _rows(random: np.random.Generator, start: int, rows: int, label: Label) -> pa.Table:
    x, y = (random.normal(size=rows).astype(np.float32) for _ in range(2))
    shop = random.integers(3, size=rows).astype(np.int32)
    price = SHIFT + WIDTH * x + 5 * (shop == 1) + random.normal(0, 2, rows)
    answer: Any = price.astype(np.float32)
    if label.classes:
        answer = np.digitize(price, [36.0, 50.0]).astype(np.int32)
    columns = {"order_id": np.arange(start, start + rows, dtype=np.int64)}
    return pa.table(columns | {"x_num": x, "y_num": y, "shop_code": shop, label.name: answer})
