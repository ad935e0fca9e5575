"""Lists and images: shapes, padding, decoding, and what is refused."""

import threading
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from pipelines.errors import TableError
from pipelines.loading.columns import ImageColumn, InputColumns, ListColumn
from pipelines.loading.dataset import Reading, Split, ToTensors, load_split
from pipelines.loading.images import ImageDecoder
from pipelines.loading.manifest import read_manifest
from pipelines.world import World
from tests.pipelines.loading.tables import write_table

TOKENS = ListColumn("tokens", 4, size=1000)
VECTOR = ListColumn("vector", 3, is_fixed=True)
IMAGE = ImageColumn("image", 8, 10)
COLUMNS = InputColumns(("x",), (), (), "label", (TOKENS, VECTOR), (IMAGE,), num_classes=7)


def pixels(number: int, height: int = 8, width: int = 10) -> Any:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def encode(image: Any) -> bytes:
    return tf.io.encode_png(image).numpy()


def table(count: int, first: int = 0, changed: dict[str, list[Any]] | None = None) -> pa.Table:
    """Row i has the tokens i+1 ... of a length that depends on i, from none to six."""
    numbers = range(first, first + count)
    columns: dict[str, list[Any]] = {
        "x": [float(i) for i in numbers],
        "label": [i % 7 for i in numbers],
        "tokens": [[i + 1 + j for j in range(i % 7)] for i in numbers],
        "vector": [[i, i + 0.5, -i] for i in numbers],
        "image": [encode(pixels(i)) for i in numbers],
    }
    types = {"x": pa.float32(), "label": pa.int32(), "tokens": pa.list_(pa.int32())}
    types |= {"vector": pa.list_(pa.float32()), "image": pa.binary()}
    columns |= changed or {}
    return pa.table({name: pa.array(columns[name], types[name]) for name in types})


def split(folder: Path, *tables: pa.Table, memory_mb: int = 0) -> Split:
    write_table(folder, {"train": tables})
    manifest = read_manifest(str(folder), 0, COLUMNS)
    return load_split(manifest, "train", World(0, 1), Reading(24, 3, memory_mb))


@pytest.mark.parametrize("memory_mb", [0, 1], ids=["streamed", "in_memory"])
def test_lists_and_images_stay_with_their_row(tmp_path: Path, memory_mb: int) -> None:
    loaded = split(tmp_path, table(40), table(30, 40), memory_mb=memory_mb)
    seen: list[int] = []
    for inputs, label, weight in loaded.batches(1):
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        assert arrays["image"].shape == (24, 8, 10, 3)
        for place in np.flatnonzero(weight.numpy()):
            row = int(arrays["numeric"][place, 0])
            seen.append(row)
            kept = min(row % 7, 4)
            padded = [row + 1 + j for j in range(kept)] + [0] * (4 - kept)
            assert arrays["tokens"][place].tolist() == padded
            assert arrays["tokens_length"][place] == kept
            assert arrays["vector"][place].tolist() == [row, row + 0.5, -row]
            assert np.array_equal(arrays["image"][place], pixels(row))
            assert label[place, 0] == row % 7
        empty = np.flatnonzero(weight.numpy() == 0)
        assert not arrays["image"][empty].any()
    loaded.close()
    assert sorted(seen) == list(range(70))


def test_the_dataset_names_the_same_shapes(tmp_path: Path) -> None:
    loaded = split(tmp_path, table(30))
    dataset = loaded.dataset(0)
    spec: Any = dataset.element_spec
    inputs, _, _ = spec
    assert inputs["image"] == tf.TensorSpec((24, 8, 10, 3), tf.uint8)
    assert inputs["tokens"] == tf.TensorSpec((24, 4), tf.int32)
    ours = [batch[0]["image"].numpy() for batch in loaded.batches(0)]
    theirs = [batch[0]["image"].numpy() for batch in dataset]
    assert all(np.array_equal(one, two) for one, two in zip(ours, theirs, strict=True))
    loaded.close()


def test_an_image_of_another_size_is_resized() -> None:
    even = np.full((16, 20, 3), 90, np.uint8)
    even[:, 10:] = 200
    decode = ImageDecoder(IMAGE)
    (found,) = decode(np.array([encode(even)], object)).numpy()
    decode.close()
    assert found.shape == (8, 10, 3)
    assert (found[:, :4] == 90).all()
    assert (found[:, 6:] == 200).all()


def test_grey_images_get_the_channels_asked_for() -> None:
    grey = np.arange(80, dtype=np.uint8).reshape(8, 10, 1)
    decode = ImageDecoder(IMAGE)
    (found,) = decode(np.array([encode(grey)], object)).numpy()
    decode.close()
    assert np.array_equal(found, grey.repeat(3, axis=2))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("tokens", [[1], None, [2]], "tokens: expected no nulls; got 1"),
        ("tokens", [[1], [None], [2]], "tokens: expected no nulls; got 1"),
        ("tokens", [[1], [1000], []], "tokens: expected codes from 0 to 999; got 1 to 1000"),
        (
            "vector",
            [[1, 2, 3], [1, 2], [1, 2, 3]],
            "vector: expected lists of 3; 1 .* first 2",
        ),
        ("vector", [[1, 2, 3]] * 2 + [[1, 2, float("nan")]], "vector: expected finite .* 1 are"),
        ("image", [encode(pixels(0)), b"GIF8?", encode(pixels(2))], "JPEG, PNG .* 5 bytes"),
        ("image", [encode(pixels(0)), b"", b""], "image: expected images; 2 are empty"),
        ("label", [0, 7, 1], "label: expected codes from 0 to 6; got 0 to 7"),
    ],
)
def test_what_no_model_should_see_is_refused(
    tmp_path: Path, name: str, values: list[Any], message: str
) -> None:
    loaded = split(tmp_path, table(3, changed={name: values}))
    with pytest.raises(TableError, match=message):
        list(loaded.batches(0))
    loaded.close()


def test_a_list_of_another_type_is_refused_from_the_footer(tmp_path: Path) -> None:
    wrong = table(3).set_column(2, "tokens", pa.array([[1], [2], [3]], pa.list_(pa.int64())))
    with pytest.raises(TableError, match=r"tokens expected list<item: int32>, got list<.*int64>"):
        split(tmp_path, wrong)


def test_a_batch_is_decoded_in_blocks_side_by_side_in_threads_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: set[str] = set()
    meet = threading.Barrier(2, timeout=60)  # both threads must be in a block at once

    def decode(content: bytes) -> Any:
        name = threading.current_thread().name
        if name not in names:
            names.add(name)
            meet.wait()
        return np.full(IMAGE.shape, int(content) % 251, np.uint8)

    monkeypatch.setattr(
        tf.io,
        "decode_image",
        lambda content, *_, **__: tf.numpy_function(decode, [content], tf.uint8),
    )
    decoder = ImageDecoder(IMAGE, num_threads=2)
    found = decoder(np.array([str(i).encode() for i in range(600)], object)).numpy()
    decoder.close()
    assert [block.num_images for block in decoder._blocks.values()] == [60]
    assert found[:, 0, 0, 0].tolist() == [i % 251 for i in range(600)]
    # in TensorFlow's own threads they would have other names, and there is but one of those
    assert names == {"images_0", "images_1"}


def test_images_of_many_sizes_come_in_their_places_batch_after_batch() -> None:
    sizes = [(8, 10), (16, 20), (4, 5)]
    even = [np.full((*sizes[i % 3], 3), i % 256, np.uint8) for i in range(299)]
    encoded = np.array([*map(encode, even), b""], object)
    decode = ImageDecoder(IMAGE)
    for _ in range(2):
        found = decode(encoded).numpy()
        assert found.shape == (300, 8, 10, 3)
        wanted = [*(i % 256 for i in range(299)), 0]
        assert (found == np.array(wanted)[:, None, None, None]).all()
    decode.close()


@pytest.mark.parametrize(("columns", "taken"), [(COLUMNS, 2), (replace(COLUMNS, images=()), 1)])
def test_while_a_batch_is_given_the_images_of_one_more_are_decoded(
    columns: InputColumns, taken: int
) -> None:
    to_tensors, asked = ToTensors(columns), count()
    arrays = {field.name: field.zeros(24) for field in columns.fields}
    given = to_tensors(
        (arrays, np.ones(24, np.float32)) for _ in zip(asked, range(3), strict=False)
    )
    next(given)
    assert next(asked) == taken
    to_tensors.close()


def test_the_batches_before_a_faulty_image_are_given(tmp_path: Path) -> None:
    images = [encode(pixels(i)) for i in range(72)]
    images[62] = b"GIF8?"  # in the order of the table, 24 lanes of three rows, it is in the third
    write_table(tmp_path, {"train": [table(72, changed={"image": images})]})
    manifest = read_manifest(str(tmp_path), 0, COLUMNS)
    loaded = load_split(manifest, "train", World(0, 1), Reading(24))
    batches = loaded.batches(0)
    for number in range(2):
        inputs, _, _ = next(batches)
        rows = inputs["numeric"].numpy()[:, 0].astype(int).tolist()
        assert rows == list(range(number, 72, 3))
        assert np.array_equal(inputs["image"], [pixels(row) for row in rows])
    with pytest.raises(TableError, match=r"JPEG, PNG .* row 20 of a batch has 5 bytes"):
        next(batches)
    loaded.close()
