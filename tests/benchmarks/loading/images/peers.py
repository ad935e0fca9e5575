"""The ways to load images that need an environment of their own, each as its documents say.

Usage: PYTHON -m loading.images.peers WAY TABLE.json, with tests/benchmarks as PYTHONPATH

Neither the project nor its libraries are in that environment (infra/peers).
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import litdata
import numpy as np
import pyarrow.parquet as pq
import streaming
import torch
from datasets import Image, load_dataset
from loading.images.sameness import Sameness
from loading.worker import Way, serve
from PIL import Image as Pillow
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from torchvision.io import ImageReadMode, decode_jpeg

_WORKERS = len(os.sched_getaffinity(0))
Images = dict[str, Any]


def dataloader_over_parquet(images: Images) -> Way:
    """A torch DataLoader that reads row groups, permutes each, decodes and stacks batches."""

    class RowGroups(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            worker = get_worker_info()
            number, step = (worker.id, worker.num_workers) if worker else (0, 1)
            for path in images["files"][number::step]:
                file = pq.ParquetFile(path)
                for group in range(file.num_row_groups):
                    yield from self._batches(file.read_row_group(group))

        def _batches(self, read: Any) -> Iterator[Any]:
            rows, labels, contents = (
                read.column(name).to_numpy() for name in ("row", "label", "image")
            )
            order = torch.randperm(read.num_rows).numpy()
            for first in range(0, len(order), images["batch"]):
                chosen = order[first : first + images["batch"]]
                pixels = [_decode(contents[place]) for place in chosen]
                numbers = (torch.from_numpy(column[chosen]) for column in (rows, labels))
                yield (*numbers, torch.stack(pixels))

    loader = DataLoader(RowGroups(), batch_size=None, num_workers=_WORKERS)
    return _way(images, lambda: iter(loader))


def hugging_face(images: Images) -> Way:
    """Hugging Face datasets: its Image feature, torch format, shuffled by a DataLoader."""
    cache = str(Path(images["folder"]) / "hugging_face")
    loaded = load_dataset("parquet", data_files=images["files"], split="train", cache_dir=cache)
    rows = loaded.cast_column("image", Image()).with_format("torch")
    loader = DataLoader(rows, batch_size=images["batch"], shuffle=True, num_workers=_WORKERS)
    return _named(images, lambda: iter(loader))


def mosaic(images: Images) -> Way:
    """MosaicML Streaming: MDS shards of JPEGs, shuffled; its PIL images made tensors."""
    folder = Path(images["folder"]) / "mosaic"
    if not (folder / "index.json").exists():
        columns = {"row": "int", "label": "int", "image": "jpeg"}
        scratch = Path(images["folder"]) / "one.jpg"  # a file is stored as it is, pixels are not
        with streaming.MDSWriter(out=str(folder), columns=columns) as writer:
            for row, label, content in _rows(images["files"]):
                scratch.write_bytes(content)
                writer.write({"row": row, "label": label, "image": Pillow.open(scratch)})

    class Rows(streaming.StreamingDataset):
        def __getitem__(self, at: Any) -> Any:
            row = super().__getitem__(at)
            return row | {"image": torch.from_numpy(np.array(row["image"])).permute(2, 0, 1)}

    rows = Rows(local=str(folder), shuffle=True, batch_size=images["batch"])
    loader = DataLoader(rows, batch_size=images["batch"], num_workers=_WORKERS)
    return _named(images, lambda: iter(loader))


def lightning(images: Images) -> Way:
    """LitData: chunks made by optimize, read by its StreamingDataLoader, shuffled."""
    folder = Path(images["folder"]) / "lightning"
    if not (folder / "index.json").exists():
        litdata.optimize(
            fn=_samples,
            inputs=images["files"],
            output_dir=str(folder),
            chunk_bytes="64MB",
            num_workers=1,
        )
        # optimize leaves it at spawn, with which each epoch's workers take seconds to start
        multiprocessing.set_start_method("fork", force=True)
    rows = litdata.StreamingDataset(str(folder), shuffle=True)
    loader = litdata.StreamingDataLoader(rows, batch_size=images["batch"], num_workers=_WORKERS)
    return _named(images, lambda: iter(loader))


def _samples(path: str) -> Iterator[Any]:
    for row, label, content in _rows([path]):
        yield {"row": row, "label": label, "image": litdata.Image(bytes=content)}


def _rows(files: list[str]) -> Iterator[tuple[int, int, bytes]]:
    for path in files:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group).to_pydict()
            yield from zip(columns["row"], columns["label"], columns["image"], strict=True)


def _decode(content: bytes) -> torch.Tensor:
    encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return decode_jpeg(encoded, mode=ImageReadMode.RGB)


def _named(images: Images, epoch: Callable[[], Iterator[Any]]) -> Way:
    def epochs() -> Iterator[Any]:
        return ((batch["row"], batch["label"], batch["image"]) for batch in epoch())

    return _way(images, epochs)


def _way(images: Images, epoch: Callable[[], Iterator[Any]]) -> Way:
    """Make a way of batches with images as torch has them, (rows, 3, height, width)."""
    sameness = Sameness(images["files"])

    def arrays(batch: Any) -> list[Any]:
        rows, labels, pixels = batch
        pixels = pixels.permute(0, 2, 3, 1).to(torch.uint8)
        return sameness.arrays(rows.numpy(), labels.numpy(), pixels.numpy())

    return Way(epoch, arrays, sameness.remarks)


WAYS: dict[str, Callable[[Images], Way]] = {
    "torch DataLoader over Parquet": dataloader_over_parquet,
    "Hugging Face datasets": hugging_face,
    "MosaicML Streaming": mosaic,
    "LitData": lightning,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    described = json.loads(Path(sys.argv[2]).read_text())
    serve(lambda: WAYS[sys.argv[1]](described), described["folder"])
