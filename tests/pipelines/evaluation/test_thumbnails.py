"""Images as eight by eight mean colours, for models that know no pixels."""

from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.evaluation.arrays import Arrays, join_arrays, to_arrays
from pipelines.evaluation.baselines import fit_logistic
from pipelines.evaluation.thumbnails import thumbnails
from pipelines.pictures import to_png
from schemas.encode import FeatureColumn, FeatureSet
from schemas.target import Target


def _features(height: int, width: int) -> FeatureSet:
    ones = (1.0, 1.0, 1.0)
    shape = (height, width, 3)
    column = FeatureColumn("photo", "image", shape=shape, means=ones, deviations=ones)
    return FeatureSet((), (), (), "kind", Target("classes", ("a", "b")), images=(column,))


def _arrays(pixels: Any) -> Arrays:
    rows = len(pixels)
    nothing = np.empty((rows, 0))
    labels = np.arange(rows, dtype=np.int32) % 2
    others = {"photo": pixels}
    return Arrays(nothing.astype(np.float32), nothing.astype(np.int32), labels, others)


def test_blocks_have_their_mean_and_small_images_their_pixels() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 16, 24, 3), np.uint8)
    found = thumbnails(_arrays(pixels), _features(16, 24)).reshape(2, 8, 8, 3)
    assert np.isclose(found[1, 2, 5, 0], pixels[1, 4:6, 15:18, 0].mean() / 255, rtol=1e-6)
    small = pixels[:, :3, :5]
    assert np.allclose(
        thumbnails(_arrays(small), _features(3, 5)).reshape(small.shape), small / 255
    )
    odd = thumbnails(_arrays(pixels[:, :, :11]), _features(16, 11)).reshape(2, 8, 8, 3)
    assert np.isclose(odd[0, 0, 7, 1], pixels[0, :2, 9:11, 1].mean() / 255, rtol=1e-6)


def test_pixels_come_as_they_were_written_and_a_linear_model_learns_from_them() -> None:
    pixels = np.random.default_rng(2).integers(0, 100, (40, 8, 8, 3), np.uint8)
    pixels[1::2, :4] += 120
    features = _features(8, 8)
    images = pa.array([to_png(image) for image in pixels], pa.binary())
    labels = pa.array(np.arange(40, dtype=np.int32) % 2)
    batch = pa.RecordBatch.from_arrays([images, labels], ["photo", "kind"])
    arrays = to_arrays(batch, features)
    assert np.array_equal(arrays.others["photo"], pixels)
    assert join_arrays([], features).others["photo"].shape == (0, 8, 8, 3)
    given = fit_logistic(arrays, features)(arrays)
    assert given.shape == (40, 2)
    assert (given.argmax(1) == arrays.label).all()
