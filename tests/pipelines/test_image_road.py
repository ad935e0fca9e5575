"""Images from files and records to the features table: pixels, moments, leaks, and bad input."""

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import SparkSession

from pipelines import deduplicate, engineer_features, impute, ingest, split
from pipelines.pictures import from_png
from pipelines.state import read_features, read_json
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from schemas.catalog import dataset
from schemas.cifar10_jpg import CLASSES
from tests.passed import mark_passed
from tests.pipelines.sources.pictures import write_tar
from tests.pipelines.test_pictures import png_that_says


@dataclass
class Road:
    """What the steps gave, by name, and the rows of the features table."""

    steps: dict[str, StepResult]
    rows: list[dict[str, Any]]


def _image(seed: int, kind: int) -> Any:
    """Two colours, the first by the kind: no two seeds look alike."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 200, (8, 8, 3)).repeat(4, 0).repeat(4, 1)
    pixels[..., 0] = 20 * kind
    return pixels.astype(np.uint8)


def _jpeg(pixels: Any, mode: str = "RGB") -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def _walk(
    spark: SparkSession, root: Path, name: str, places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> Road:
    spec = dataset(name)
    said = replace(spec, sources=(replace(spec.main, max_malformed_share=0.5),))
    lake = str(root / "lake")
    given = tuple(f"images={path}" for path in places)
    steps: dict[str, StepResult] = {}
    tables: tuple[str, ...] = ()
    for module in (ingest, deduplicate, split, impute, engineer_features):
        monkeypatch.setattr(module, "dataset", lambda _: said)
        step = module.__name__.rpartition(".")[2]
        kind = getattr(module, f"{step.title().replace('_', '')}Params")
        steps[step] = made = module.run(spark, kind(name, lake, tables or given))
        tables = made.tables
        mark_passed(parse_version(tables[0]))
    rows = [row.asDict() for row in read_table(spark, parse_version(tables[0])).collect()]
    return Road(steps, rows)


def _fates(road: Road, step: str) -> Any:
    return road.steps[step].rows["images"]


def test_jpeg_files_become_a_table_to_train_on(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {number: number % 3 for number in range(40)}
    files = {
        f"{'train' if number < 30 else 'test'}/{CLASSES[kind]}/{number:04}.jpg": _jpeg(
            _image(number, kind)
        )
        for number, kind in kinds.items()
    }
    leak, copy = files["train/airplane/0003.jpg"], files["train/bird/0002.jpg"]
    files |= {"test/airplane/leak.jpg": leak, "train/bird/copy.jpg": copy}
    whole = len(files)
    bad = {
        "train/cat/empty.jpg": b"",
        "train/cat/cut.jpg": leak[:-200],
        "train/cat/text.jpg": b"no image at all",
        "train/cat/grey.jpg": _jpeg(_image(50, 1), "L"),
        "train/cat/large.jpg": _jpeg(_image(50, 1).repeat(2, 0)),
        "train/cat/bomb.jpg": png_that_says(100_000, 100_000),
        "train/zebra/0.jpg": _jpeg(_image(51, 2)),
        "README.md": b"about",
    }
    path = write_tar(tmp_path / "images.tar", files | bad)
    road = _walk(spark, tmp_path, "cifar10_jpg", [path], monkeypatch)
    assert (_fates(road, "ingest").read, _fates(road, "ingest").kept) == (whole + 8, whole + 1)
    assert _fates(road, "ingest").quarantined == {
        "empty_file": 1,
        "damaged:image": 1,
        "no_image:image": 1,
        "channels:image": 1,
        "dimensions:image": 1,
        "too_many_pixels:image": 1,
        "path": 1,
    }
    # a kind that nobody has declared is set aside when rows are split
    assert sum(_fates(road, "split").quarantined.values()) == 1
    near = road.steps["split"].details["near_duplicates"]
    held = {"train", "validation"}
    assert sum(near["same"].get(name, {}).get("test", 0) for name in held) == 1
    assert near["rows"]["test"].keys() & held
    assert _fates(road, "engineer_features").kept == whole == len(road.rows)
    shown = {row["path"]: from_png([row["image_image"]], (32, 32, 3))[0] for row in road.rows}
    for name, pixels in shown.items():
        expected = np.asarray(Image.open(BytesIO(files[name])))
        assert np.array_equal(pixels, expected), name
    assert {row["kind_of_thing"] for row in road.rows} == {0, 1, 2}
    (column,) = read_features(Path(road.steps["engineer_features"].files["state"])).images
    train = np.stack([shown[row["path"]] for row in road.rows if row["split"] == "train"])
    assert np.allclose(column.means, train.mean((0, 1, 2)), rtol=1e-9)
    assert np.allclose(column.deviations, train.std((0, 1, 2)), rtol=1e-9)


def test_records_of_planes_give_the_same_pixels_and_a_cut_one_is_set_aside(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [_image(number, number % 10) for number in range(40)]
    records = [
        bytes([number % 10]) + image.transpose(2, 0, 1).tobytes()
        for number, image in enumerate(images)
    ]
    train, test = tmp_path / "data_batch_1.bin", tmp_path / "test_batch.bin"
    # a copy, a kind that there is not, and a record of which half came
    train.write_bytes(
        b"".join(records[:30]) + records[0] + b"\x0b" + records[1][1:] + records[2][:99]
    )
    test.write_bytes(b"".join(records[30:]))
    road = _walk(spark, tmp_path, "cifar10", [train, test], monkeypatch)
    fates = _fates(road, "ingest")
    assert (fates.read, fates.kept, fates.quarantined) == (43, 42, {"record_length": 1})
    assert (_fates(road, "deduplicate").kept, _fates(road, "deduplicate").duplicate) == (41, 1)
    assert sum(_fates(road, "split").quarantined.values()) == 1
    assert len(road.rows) == 40
    # red is 20 times the kind, so each row names its image
    shown = from_png([row["image_image"] for row in road.rows], (32, 32, 3))
    assert (shown[:, 0, 0, 0] // 20).tolist() == [row["kind_of_thing"] for row in road.rows]
    assert {image.tobytes() for image in images} == {image.tobytes() for image in shown}
    state = read_json(Path(road.steps["engineer_features"].files["state"]))
    assert [*state["encode"]["channels"]] == ["image_image"]
