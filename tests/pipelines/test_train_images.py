"""Training on images as a step: augmented, with a page of what was seen, alike on any ranks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.errors import ParameterError
from pipelines.pictures import to_png
from pipelines.state import read_json
from pipelines.train import TrainParams, launch_training
from tests.pipelines.loading.tables import write_table

STATE = {
    "features": [
        {"name": "photo_image", "kind": "image", "size": 0, "length": 0, "shape": [8, 8, 3],
         "means": [100.0, 100.0, 100.0], "deviations": [40.0, 40.0, 40.0]},
    ],
    "label": "side",
    "target": {"kind": "classes", "classes": ["left", "right", "none"]},
}  # fmt: skip


def _rows(count: int, seed: int) -> pa.Table:
    """Images whose light half says which class they are."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    pixels = random.integers(60, 140, (count, 8, 8, 3), np.uint8)
    pixels[labels == 0, :, :4] += 60
    pixels[labels == 1, :, 4:] += 60
    images = pa.array([to_png(image) for image in pixels], pa.binary())
    return pa.table({"photo_image": images, "side": pa.array(labels.astype(np.int32))})


@pytest.fixture
def params(tmp_path: Path) -> TrainParams:
    write_table(tmp_path / "t", {"train": [_rows(230, 1)], "validation": [_rows(90, 2)]})
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    return TrainParams(
        "toy", f"{tmp_path / 't'}@v0", str(tmp_path / "state.json"), str(tmp_path / "lake"),
        epochs=3, global_batch_size=24, network="resnet", width=4, hidden=(), dropout=0.0,
        optimizer="nesterov", learning_rate=0.05, schedule="one-cycle", patience=0,
        augment=("crop=1", "cutout=2"),
    )  # fmt: skip


def test_two_ranks_learn_what_one_learns_from_the_same_varied_images(params: TrainParams) -> None:
    one = launch_training(params, 1)
    assert one.details["validation"]["accuracy"] > 0.8
    assert Path(one.files["augmented"]).read_bytes().startswith(b"\x89PNG")
    two = launch_training(replace(params, root=f"{params.root}2"), 2)
    lines = [read_json(Path(it.files["history"]))["history"] for it in (one, two)]
    assert np.allclose(*[[epoch["loss"] for epoch in line] for line in lines], rtol=1e-4)
    plain = launch_training(replace(params, augment=()), 1)
    assert "augmented" not in plain.files


def test_augmentation_of_a_table_without_images_is_refused(
    params: TrainParams, tmp_path: Path
) -> None:
    features = [{"name": "x", "kind": "numeric", "size": 0}]
    (tmp_path / "state.json").write_text(json.dumps({"features": features, "label": "side"}))
    with pytest.raises(ParameterError, match="--augment varies images; the features state names"):
        launch_training(replace(params, network="dense", width=32), 1)
