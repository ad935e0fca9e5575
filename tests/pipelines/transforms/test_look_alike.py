"""Images that look alike are found across splits, and those that do not are not."""

from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from pipelines.pictures import to_png
from pipelines.step import FATE
from pipelines.transforms.look_alike import bands_of, count_same, difference_bits, hash_images
from pipelines.transforms.near_duplicates import count_near, find_near, mark_near
from schemas.image import ImageShape
from schemas.near import NearImages

SHAPE = ImageShape(32, 32)
NEAR = NearImages("photo", distance=10)


def _image(seed: int) -> Any:
    """Something smooth, as photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(float)
    fine: Any = coarse.repeat(4, 0).repeat(4, 1)
    for axis in (0, 1):
        fine = sum(np.roll(fine, shift, axis) for shift in (-2, -1, 0, 1, 2)) / 5
    return fine.astype(np.uint8)


def _lighter(image: Any) -> Any:
    return np.clip(image.astype(int) + 12, 0, 255).astype(np.uint8)


def test_a_lighter_copy_has_the_same_bits_and_another_image_half_of_them() -> None:
    bits = difference_bits(_image(1))
    assert bits.shape == (256,)
    assert (bits != difference_bits(_lighter(_image(1)))).sum() <= 10
    others = [(bits != difference_bits(_image(seed))).sum() for seed in range(2, 30)]
    assert min(others) > 60


def test_all_colours_count_as_an_eye_weighs_them() -> None:
    # red grows to the right as much as green falls, and green is the lighter of the two
    ramp = np.arange(0, 34, 2, dtype=np.uint8)
    image = np.zeros((16, 17, 3), np.uint8)
    image[..., 0], image[..., 1] = ramp, 100 - ramp
    assert not difference_bits(image).any()
    assert difference_bits(image[..., [1, 0, 2]]).all()


def test_two_hashes_within_the_distance_always_share_a_piece() -> None:
    random = np.random.default_rng(0)
    bits = random.random(256) < 0.5
    for distance in (0, 1, 10, 32):
        for _ in range(50):
            other = bits.copy()
            other[random.choice(256, distance, replace=False)] ^= True
            assert {*bands_of(bits, distance)} & {*bands_of(other, distance)}
    assert not {*bands_of(bits, 10)} & {*bands_of(~bits, 10)}


def test_a_distance_as_a_similarity_lets_in_just_that_far() -> None:
    for distance in range(33):
        # of two hashes as sets: what they share over all
        just, further = ((256 - bits) / (256 + bits) for bits in (distance, distance + 1))
        assert just >= NearImages("photo", distance).similarity > further


def _image_of(bits: Any) -> Any:
    """The image of 17 by 16 pixels whose hash these bits are."""
    steps = np.where(bits.reshape(16, 16), 1, -1)
    rows = np.concatenate([np.zeros((16, 1), int), steps.cumsum(1)], 1) + 128
    return rows[..., None].repeat(3, 2).astype(np.uint8)


def test_images_just_that_far_apart_are_near_and_one_bit_further_they_are_not(
    spark: SparkSession,
) -> None:
    bits = np.random.default_rng(1).random(256) < 0.5
    near, far = bits.copy(), bits.copy()
    near[:10] ^= True
    far[-11:] ^= True
    assert difference_bits(_image_of(bits)).tolist() == bits.tolist()
    splits = zip(("train", "validation", "test"), (bits, near, far), strict=True)
    rows = [(name, bytearray(to_png(_image_of(said)))) for name, said in splits]
    df = spark.createDataFrame(rows, "split string, photo binary")
    hashed = hash_images(df, ["split"], NEAR, ImageShape(16, 17))
    assert count_near(find_near(hashed, NEAR.similarity)) == {
        "train": {"validation": 1},
        "validation": {"train": 1},
    }


def test_leaks_are_found_counted_and_filtered_where_asked(spark: SparkSession) -> None:
    images = {
        1: ("train", _image(1)),
        2: ("train", _image(2)),
        3: ("train", _image(3)),
        4: ("train", _image(3)),
        5: ("validation", _lighter(_image(2))),
        6: ("test", _image(1)),
        7: ("test", _image(9)),
        8: (None, _image(7)),
    }
    rows = [
        (key, split, bytearray(to_png(image)), "kept") for key, (split, image) in images.items()
    ]
    df = spark.createDataFrame(rows, f"id int, split string, photo binary, {FATE} string")
    hashed = hash_images(df, ["id"], NEAR, SHAPE).persist()
    found = find_near(hashed, NEAR.similarity)
    assert count_near(found) == {
        "train": {"train": 1, "validation": 1, "test": 1},
        "validation": {"train": 1},
        "test": {"train": 1},
    }
    assert count_same(hashed) == {"train": {"train": 1, "test": 1}, "test": {"train": 1}}
    fates = {row["id"]: row[FATE] for row in mark_near(df, found, ["id"], NEAR).collect()}
    hashed.unpersist()
    across, within = "filtered:near_other_split", "filtered:near_duplicate"
    assert fates == {**dict.fromkeys(images, "kept"), 1: across, 2: across, 4: within}
