"""Augmentation: what each word does, and that neither ranks nor order change a picture."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from pipelines.errors import ParameterError
from pipelines.loading.augment import Augmenter, draw
from pipelines.loading.augmentation import Augmentation, parse_augmentation
from pipelines.loading.augmented_grid import draw_augmented
from pipelines.loading.columns import ImageColumn, InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.loading.training_tables import open_splits
from pipelines.pictures import open_picture, to_png
from pipelines.world import World
from schemas.image import ImageShape
from tests.pipelines.loading.tables import write_table

IMAGE = ImageColumn("image", 8, 8, 3, (50.0, 60.0, 70.0))
COLUMNS = InputColumns(("x",), (), (), "label", images=(IMAGE,), num_classes=7)
_ROWS = 400


def _pixels(rows: int = _ROWS) -> Any:
    # far from the ends: nothing is clipped
    return np.random.default_rng(2).integers(60, 180, (rows, 8, 8, 3), np.uint8)


def _contents(rows: int = _ROWS) -> Any:
    return np.array([b"%d" % number for number in range(rows)], object)


def _augmented(how: Augmentation, seed: int = 1, epoch: int = 1, pixels: Any = None) -> Any:
    given = _pixels() if pixels is None else pixels
    return Augmenter(IMAGE, how, seed)(tf.constant(given), _contents(len(given)), epoch).numpy()


def test_a_flip_mirrors_half_of_the_images_and_leaves_the_others() -> None:
    pixels, made = _pixels(), _augmented(Augmentation(flip=1))
    is_mirrored = (made == pixels[:, :, ::-1]).all((1, 2, 3))
    is_same = (made == pixels).all((1, 2, 3))
    assert (is_mirrored ^ is_same).all()
    assert 150 < is_mirrored.sum() < 250


def test_a_crop_moves_whole_pixels_and_mirrors_what_comes_in() -> None:
    pixels, made = _pixels(), _augmented(Augmentation(crop=2))
    border = np.pad(pixels, ((0, 0), (2, 2), (2, 2), (0, 0)), "symmetric")
    found = [
        sum(
            np.array_equal(image, border[row, top : top + 8, left : left + 8])
            for top in range(5)
            for left in range(5)
        )
        for row, image in enumerate(made)
    ]
    assert found == [1] * _ROWS
    assert not np.array_equal(made, pixels)


def test_a_turn_and_a_scale_keep_the_middle() -> None:
    # grey that grows to the right: a turn tilts it, a scale stretches it
    ramp = np.tile((100 + 4 * np.arange(8, dtype=np.uint8))[:, None], (4, 8, 1, 3))
    for how in (Augmentation(rotate=30.0), Augmentation(scale=0.4)):
        made = _augmented(how, pixels=ramp).astype(int)
        assert np.abs(made[:, 3:5, 3:5].mean((1, 2)) - 114).max() <= 1
        assert np.abs(made - ramp).max() >= 2
    # a degree moves no corner by a tenth of a pixel
    turned = _augmented(Augmentation(rotate=1.0), pixels=ramp).astype(int)
    assert np.abs(turned - ramp).max() <= 1


def test_a_scale_is_drawn_by_itself() -> None:
    ramp = np.tile((100 + 8 * np.arange(8, dtype=np.uint8))[:, None], (4, 8, 1, 3))
    scale = 1 + 0.4 * (2 * draw(_contents(4), 1, 1)[:, 4] - 1)
    made = _augmented(Augmentation(scale=0.4), pixels=ramp)[:, 4, 3:5, 0].astype(float)
    # eight levels a pixel, over the scale
    assert made[:, 1] - made[:, 0] == pytest.approx(8 / scale, abs=1)


def test_colour_keeps_edges_and_changes_levels() -> None:
    made = _augmented(Augmentation(colour=0.3)).astype(float)
    pixels = _pixels().astype(float)
    factors = made.mean((1, 2, 3)) / pixels.mean((1, 2, 3))
    assert factors.min() < 0.8
    assert factors.max() > 1.2
    assert np.corrcoef(made[0].ravel(), pixels[0].ravel())[0, 1] > 0.9
    # each of the three is drawn by itself
    light, contrast, saturation = (
        1 + 0.3 * (2 * draw(_contents(), 1, 1)[:, place, None, None, None] - 1)
        for place in (5, 6, 7)
    )
    mean = pixels.mean((1, 2, 3), keepdims=True)
    expected = (mean + (pixels - mean) * contrast) * light
    grey = (expected * (0.299, 0.587, 0.114)).sum(-1, keepdims=True)
    expected = (grey + (expected - grey) * saturation).clip(0, 255)
    assert np.abs(made - expected).max() <= 0.51


@pytest.mark.parametrize("channels", [1, 4])
def test_colour_takes_grey_images_and_leaves_alpha_as_it_is(channels: int) -> None:
    pixels = np.full((6, 8, 8, channels), 90, np.uint8)
    pixels[:, :, 4:, 0] = 120
    column = ImageColumn("image", 8, 8, channels)
    varied = Augmenter(column, Augmentation(colour=0.3), 1)
    made = varied(tf.constant(pixels), _contents(6), 1).numpy()
    assert made.shape == pixels.shape
    assert (made[..., 0] != pixels[..., 0]).any()
    assert np.array_equal(made[..., 3:], pixels[..., 3:])


def test_a_cutout_is_a_square_of_the_mean_colour() -> None:
    pixels, made = _pixels(), _augmented(Augmentation(cutout=4))
    is_cut = (made == (50, 60, 70)).all(-1)
    assert (made[~is_cut] == pixels[~is_cut]).all()
    assert is_cut.sum((1, 2)).max() == 16
    # its middle may lie anywhere: at an edge less of it is seen
    assert is_cut.sum((1, 2)).min() == 4
    assert is_cut.any(0).all()


def test_seed_epoch_and_image_decide_and_nothing_else() -> None:
    how = Augmentation(crop=2, flip=1, rotate=10.0, scale=0.1, colour=0.2, cutout=3)
    first = _augmented(how)
    assert np.array_equal(first, _augmented(how))
    assert not np.array_equal(first, _augmented(how, seed=2))
    assert not np.array_equal(first, _augmented(how, epoch=2))
    reverse = Augmenter(IMAGE, how, 1)(tf.constant(_pixels()[::-1]), _contents()[::-1], 1).numpy()
    assert np.array_equal(reverse[::-1], first)


def test_numbers_are_even_and_known() -> None:
    drawn = draw(_contents(4000), 3, 7)
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert np.abs(drawn.mean(0) - 0.5).max() < 0.03
    assert np.abs(np.corrcoef(drawn.T) - np.eye(11)).max() < 0.08
    # by a plain reading of SplitMix64
    mask = 2**64 - 1

    def mix(z: int) -> int:
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    start = mix(0xF4DBDF21 ^ mix(3 * 2**32 + 7))  # CRC-32 of b"0"
    expected = [(mix((start + i * 0x9E3779B97F4A7C15) & mask) >> 11) / 2**53 for i in (1, 2, 10)]
    assert drawn[0, [0, 1, 9]].tolist() == expected


@pytest.mark.parametrize(
    "words", [("crop",), ("crop=x",), ("crop=-1",), ("crop=2", "crop=3"), ("flip=1",), ("blur=1",),
              ("rotate=nan",), ("scale=2",)],
)  # fmt: skip
def test_a_word_that_can_not_be_meant_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ParameterError, match=r"--augment: expected each of crop, flip, rotate"):
        parse_augmentation(words)


def _table(folder: Path) -> Any:
    rows = 60
    table = pa.table(
        {
            "x": pa.array(np.arange(rows, dtype=np.float32)),
            "label": pa.array((np.arange(rows) % 7).astype(np.int32)),
            "image": pa.array([to_png(image) for image in _pixels(rows)], pa.binary()),
        }
    )
    write_table(folder, {"train": [table], "validation": [table]})
    return read_manifest(str(folder), 0, COLUMNS)


def _epoch(manifest: Any, ranks: int, reading: Reading, epoch: int) -> dict[float, Any]:
    """Give the image of each row, by its number, as all ranks together see it."""
    found: dict[float, Any] = {}
    for rank in range(ranks):
        loaded = load_split(manifest, "train", World(rank, ranks), reading)
        for inputs, _, weight in loaded.batches(epoch):
            there = weight.numpy() > 0
            numbers = inputs["numeric"].numpy()[there, 0].tolist()
            found |= dict(zip(numbers, inputs["image"].numpy()[there], strict=True))
        loaded.close()
    return found


def test_ranks_share_the_same_pictures_and_validation_has_the_plain_ones(tmp_path: Path) -> None:
    manifest = _table(tmp_path / "t")
    how = Augmentation(crop=2, flip=1, cutout=3)
    reading = Reading(24, 5, augmentation=how)
    alone = _epoch(manifest, 1, reading, 2)
    assert len(alone) == 60
    for ranks, memory_mb in ((2, 0), (3, 1)):
        shared = _epoch(manifest, ranks, Reading(24, 5, memory_mb, augmentation=how), 2)
        assert shared.keys() == alone.keys()
        assert all(np.array_equal(shared[number], alone[number]) for number in alone)
    _, validation = open_splits([manifest], [], World(0, 1), reading)
    for inputs, _, weight in validation.batches(2):
        there = weight.numpy() > 0
        numbers = inputs["numeric"].numpy()[there, 0].astype(int)
        assert np.array_equal(inputs["image"].numpy()[there], _pixels(60)[numbers])
        assert not np.array_equal(inputs["image"].numpy()[there], [alone[n] for n in numbers])
    validation.close()


def test_the_grid_shows_images_and_epochs(tmp_path: Path) -> None:
    manifest = _table(tmp_path / "t")
    content = draw_augmented(manifest, Reading(24, 5, augmentation=Augmentation(flip=1)))
    side = 64 + 4
    pixels = open_picture(content, ImageShape(8 * side, 10 * side))
    first = pixels[2 : 2 + 64 : 8, 2 : 2 + 64 : 8]
    assert any(np.array_equal(first, image) for image in _pixels(60))
    others = [pixels[2 : 2 + 64 : 8, side * i + 2 : side * i + 66 : 8] for i in range(1, 10)]
    assert {np.array_equal(first, it) for it in others} == {True, False}


# of a batch of 96 slots: some are empty, or none is and each slice's last one has a partner too
@pytest.mark.parametrize(("rows", "least_mixed"), [(60, 31), (96, 96)])
def test_mixup_mixes_pairs_and_labels_alike_on_any_ranks(
    rows: int, least_mixed: int, tmp_path: Path
) -> None:
    columns = InputColumns((), (), (), "label", images=(IMAGE,), num_classes=rows)
    pixels = _pixels(rows)
    images = pa.array([to_png(image) for image in pixels], pa.binary())
    table = pa.table({"label": pa.array(np.arange(rows, dtype=np.int32)), "image": images})
    write_table(tmp_path, {"train": [table]})
    manifest = read_manifest(str(tmp_path), 0, columns)
    found = []
    for ranks in (1, 2, 3):
        seen: dict[int, Any] = {}
        for rank in range(ranks):
            reading = Reading(96, 5, augmentation=Augmentation(mixup=0.4))
            loaded = load_split(manifest, "train", World(rank, ranks), reading)
            for inputs, label, weight in loaded.batches(2):
                found_rows = zip(
                    inputs["image"].numpy(), label.numpy(), weight.numpy(), strict=True
                )
                seen |= {int(said[0]): (image, said) for image, said, w in found_rows if w}
            loaded.close()
        found.append(seen)
    assert [*map(len, found)] == [rows] * 3
    for row, (image, (own, other, share)) in found[0].items():
        mixed = pixels[row] * float(share) + pixels[int(other)] * (1 - float(share))
        assert np.abs(image - mixed).max() <= 0.51
        assert own == row
        for seen in found[1:]:
            assert np.array_equal(seen[row][0], image)
            assert np.array_equal(seen[row][1], (own, other, share))
    shares = np.array([said[2] for _, said in found[0].values()])
    assert 0 <= shares.min() <= shares.max() <= 1
    assert 0.1 < ((shares > 0.2) & (shares < 0.8)).mean() < 0.6
    assert sum(said[0] != said[1] for _, said in found[0].values()) >= least_mixed


def test_mixup_of_single_slots_or_beside_numbers_is_refused(tmp_path: Path) -> None:
    manifest = _table(tmp_path / "t")
    reading = Reading(48, 5, augmentation=Augmentation(mixup=0.4))
    with pytest.raises(ParameterError, match="--augment mixup: expected images alone"):
        load_split(manifest, "train", World(0, 1), reading)
