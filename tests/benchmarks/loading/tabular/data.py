"""The table that all ways read: real features of flights, enlarged, some 30 columns."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.loading.columns import InputColumns
from pipelines.loading.manifest import read_manifest
from pipelines.state import read_features, read_json, write_json
from pipelines.tables.version import parse_version
from tests.benchmarks.loading.delta import write_delta

_NUMERIC, _CATEGORICAL = 22, 7
_FILE_ROWS, _GROUP_ROWS = 524_288, 65_536


@dataclass(frozen=True, slots=True)
class Table:
    """Where the table is and what it holds: a Delta table, and its files for who knows no Delta."""

    folder: str
    files: tuple[str, ...]
    rows: int
    numeric: tuple[str, ...]
    integers: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def columns(self) -> InputColumns:
        """The columns as our loading takes them; the label stands last in ``integers``."""
        return InputColumns(self.numeric, self.integers[:-1], self.sizes, self.integers[-1])


def make_table(folder: Path, features: str, state: str, rows: int) -> Table:
    """Write the training rows of a features table again and again, each time in another order.

    Args:
        folder: Where it is written, unless it is there.
        features: A features table of the main job, path@vN.
        state: Its features state.
        rows: Rows wanted.
    """
    said = folder / "table.json"
    if said.exists() and (known := read_table(said)).rows == rows:
        return known
    found, version = read_features(Path(state)), parse_version(features)
    columns = InputColumns(
        found.numeric[:_NUMERIC],
        found.categorical[:_CATEGORICAL],
        found.sizes[:_CATEGORICAL],
        found.label,
    )
    manifest = read_manifest(version.path, version.version, columns)
    names = list(columns.types)
    files = dict.fromkeys(group.file for group in manifest.row_groups("train"))
    whole = pa.concat_tables([pq.ParquetFile(file).read(columns=names) for file in files])
    random = np.random.default_rng(1)
    parts = (
        whole.take(pa.array(random.integers(0, whole.num_rows, min(_FILE_ROWS, rows - first))))
        for first in range(0, rows, _FILE_ROWS)
    )
    written = write_delta(folder, parts, _GROUP_ROWS)
    table = Table(
        str(folder),
        written,
        rows,
        columns.numeric,
        (*columns.categorical, columns.label),
        columns.sizes,
    )
    write_json(said, asdict(table))
    return table


def read_table(path: Path) -> Table:
    """Give what ``make_table`` has written."""
    said: dict[str, Any] = read_json(path)
    for name in ("files", "numeric", "integers", "sizes"):
        said[name] = tuple(said[name])
    return Table(**said)
