"""The ways to load that need an environment of their own (infra/peers), each as its documents say.

Usage: PYTHON -m loading.tabular.peers WAY TABLE.json, with tests/benchmarks as PYTHONPATH

Neither the project nor its libraries are in that environment.
"""

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import litdata
import numpy as np
import pyarrow.parquet as pq
import streaming
import torch
from datasets import load_dataset
from loading.worker import Way, serve
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

BATCH = 1536
_WORKERS = 2
Table = dict[str, Any]


def dataloader_over_parquet(table: Table) -> Way:
    """A torch DataLoader that reads row groups, permutes each and cuts it into batches."""

    class RowGroups(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            worker = get_worker_info()
            number, step = (worker.id, worker.num_workers) if worker else (0, 1)
            for path in table["files"][number::step]:
                file = pq.ParquetFile(path)
                for group in range(file.num_row_groups):
                    numeric, integers = _matrices(table, file.read_row_group(group))
                    order = torch.randperm(len(numeric))
                    for first in range(0, len(order), BATCH):
                        chosen = order[first : first + BATCH]
                        yield numeric[chosen], integers[chosen]

    loader = DataLoader(RowGroups(), batch_size=None, num_workers=_WORKERS)
    return Way(lambda: iter(loader), _numpy)


def hugging_face(table: Table) -> Way:
    """Hugging Face datasets: Arrow on disk, torch format, shuffled by a DataLoader."""
    cache = str(Path(table["folder"]) / "hugging_face")
    names = [*table["numeric"], *table["integers"]]
    loaded = load_dataset("parquet", data_files=table["files"], split="train", cache_dir=cache)
    rows = loaded.select_columns(names).with_format("torch")
    loader = DataLoader(rows, batch_size=BATCH, shuffle=True, num_workers=_WORKERS)

    def arrays(batch: dict[str, torch.Tensor]) -> list[Any]:
        groups = (table["numeric"], table["integers"])
        stacked = [torch.stack([batch[name] for name in names], dim=1) for names in groups]
        return [stacked[0].float().numpy(), stacked[1].int().numpy()]

    return Way(lambda: iter(loader), arrays)


def mosaic(table: Table) -> Way:
    """MosaicML Streaming: MDS shards with one array column for each type, shuffled."""
    folder = Path(table["folder"]) / "mosaic"
    if not (folder / "index.json").exists():
        sizes = (len(table["numeric"]), len(table["integers"]))
        columns = {
            "numeric": f"ndarray:float32:{sizes[0]}",
            "integers": f"ndarray:int32:{sizes[1]}",
        }
        with streaming.MDSWriter(out=str(folder), columns=columns) as writer:
            for numeric, integers in _rows(table):
                writer.write({"numeric": numeric, "integers": integers})
    rows = streaming.StreamingDataset(local=str(folder), shuffle=True, batch_size=BATCH)
    loader = DataLoader(rows, batch_size=BATCH, num_workers=_WORKERS)
    return Way(lambda: iter(loader), lambda batch: _numpy([batch["numeric"], batch["integers"]]))


def lightning(table: Table) -> Way:
    """LitData: chunks made by optimize, read by its StreamingDataLoader, shuffled."""
    folder = Path(table["folder"]) / "lightning"
    if not (folder / "index.json").exists():
        litdata.optimize(
            fn=_Rows(table),
            inputs=table["files"],
            output_dir=str(folder),
            chunk_bytes="64MB",
            num_workers=1,
        )
        # optimize leaves it at spawn, with which each epoch's workers take seconds to start
        multiprocessing.set_start_method("fork", force=True)
    rows = litdata.StreamingDataset(str(folder), shuffle=True)
    loader = litdata.StreamingDataLoader(rows, batch_size=BATCH, num_workers=_WORKERS)
    return Way(lambda: iter(loader), _numpy)


class _Rows:
    """Gives the rows of a file, for LitData's optimize, which pickles it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __call__(self, path: str) -> Iterator[Any]:
        yield from _rows({**self._table, "files": [path]})


def _rows(table: Table) -> Iterator[tuple[Any, Any]]:
    for path in table["files"]:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            matrices = _matrices(table, file.read_row_group(group))
            yield from zip(*(matrix.numpy() for matrix in matrices), strict=True)


def _matrices(table: Table, read: Any) -> tuple[torch.Tensor, torch.Tensor]:
    groups = (table["numeric"], table["integers"])
    matrices = (
        np.stack([read.column(name).to_numpy() for name in names], axis=1) for names in groups
    )
    numeric, integers = (torch.from_numpy(matrix) for matrix in matrices)
    return numeric, integers


def _numpy(batch: Any) -> list[Any]:
    return [part.numpy() for part in batch]


WAYS: dict[str, Callable[[Table], Way]] = {
    "torch DataLoader over Parquet": dataloader_over_parquet,
    "Hugging Face datasets": hugging_face,
    "MosaicML Streaming": mosaic,
    "LitData": lightning,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    described = json.loads(Path(sys.argv[2]).read_text())
    serve(lambda: WAYS[sys.argv[1]](described), described["folder"])
