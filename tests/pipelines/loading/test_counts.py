"""What an epoch costs in counts, which other work can't change: Python's calls, files opened."""

import multiprocessing
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from pipelines.loading.columns import ImageColumn, InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.world import World
from tests.benchmarks.loading.counting import Calls, opens_counted
from tests.benchmarks.loading.delta import write_delta
from tests.benchmarks.loading.worker import Way, count_epoch

FILES, FILE_ROWS, GROUP_ROWS = 4, 65_536, 32_768
ROWS = FILES * FILE_ROWS
FILE_IMAGES, GROUP_IMAGES = 3072, 1024
NUMBERS = InputColumns(tuple(f"x{number}" for number in range(28)), ("code",), (9,), "label")
IMAGES = InputColumns((), ("row",), (FILE_IMAGES,), "label", images=(ImageColumn("image", 8, 8),))


def numbers() -> pa.Table:
    random = np.random.default_rng(1)
    columns = {name: random.random(FILE_ROWS, np.float32) for name in NUMBERS.numeric}
    columns |= {name: np.zeros(FILE_ROWS, np.int32) for name in ("code", "label")}
    return pa.table(columns)


def images() -> pa.Table:
    row = np.arange(FILE_IMAGES, dtype=np.int32)
    encoded = [
        tf.io.encode_jpeg(np.full((8, 8, 3), number % 256, np.uint8)).numpy() for number in row
    ]
    return pa.table({"row": row, "label": row % 2, "image": pa.array(encoded, pa.binary())})


def ours(folder: Path, columns: InputColumns, memory_mb: int = 0) -> Callable[[], Way]:
    def make() -> Way:
        manifest = read_manifest(str(folder), 0, columns)
        split = load_split(manifest, "train", World(0, 1), Reading(1536, 1, memory_mb))
        return Way(lambda: split.batches(1), list)

    return make


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    write_delta(folder, (numbers() for _ in range(FILES)), GROUP_ROWS)
    return folder


def test_an_epoch_opens_a_file_for_each_row_group_and_handles_no_row_in_python(
    table: Path,
) -> None:
    counts = count_epoch(ours(table, NUMBERS), str(table))
    assert counts["files_opened"] == FILES * FILE_ROWS // GROUP_ROWS
    # 178,000 for a million rows, in 651 batches
    assert counts["calls"] / ROWS < 0.2


def test_an_epoch_of_rows_in_memory_opens_nothing(table: Path) -> None:
    counts = count_epoch(ours(table, NUMBERS, memory_mb=100), str(table))
    assert counts["files_opened"] == 0
    # 99,000 for a million rows
    assert counts["calls"] / ROWS < 0.12


def test_no_image_is_handled_by_itself_in_python(tmp_path: Path) -> None:
    write_delta(tmp_path, (images() for _ in range(2)), GROUP_IMAGES)
    counts = count_epoch(ours(tmp_path, IMAGES), str(tmp_path))
    assert counts["files_opened"] == 2 * FILE_IMAGES // GROUP_IMAGES
    # 1,520 for a thousand in batches of 1,536; one more for each image would be 1,000 more
    assert counts["calls"] / (2 * FILE_IMAGES) < 2


def test_what_else_lies_in_the_folder_costs_no_call(tmp_path: Path) -> None:
    def make() -> Way:
        return Way(lambda: iter([[]]), list)

    alone = count_epoch(make, str(tmp_path))["calls"]
    for number in range(50):
        (tmp_path / str(number)).mkdir()
    assert count_epoch(make, str(tmp_path))["calls"] == alone


def test_calls_of_threads_and_of_forked_processes_count() -> None:
    def work() -> None:
        for _ in range(1000):
            abs(-1)

    calls = Calls()
    with calls.counted():
        before = calls.number
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
        assert 2000 <= calls.number - before < 4000
    after = calls.number
    work()
    assert calls.number == after


def test_each_opening_counts_whoever_opens(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "file"
    path.write_text("text")
    with opens_counted(str(tmp_path)) as opens:
        path.read_text()
        path.read_text()
        subprocess.run(["cat", str(path)], check=True, stdout=subprocess.DEVNULL)
        list((tmp_path / "inner").iterdir())  # a folder is no file
    path.read_text()
    assert opens.number == 3
