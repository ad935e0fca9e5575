"""What ranks do with texts of many lengths, in the tests of distributed training."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.loading.columns import InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.training.loop import Loop
from pipelines.training.models import build_model_of
from pipelines.training.parameters import TrainParams
from pipelines.training.settings import LoopSettings
from pipelines.world import World
from schemas.encode import FeatureColumn, FeatureSet
from tests.pipelines.loading.tables import write_table

NETWORKS = ("text-cnn", "bigru", "transformer")
_LENGTH, _SIZE = 8, 30
FEATURES = FeatureSet(
    (), (), (), "label", tokens=(FeatureColumn("text_tokens", "tokens", _SIZE, _LENGTH),)
)


def write_texts(folder: Path) -> None:
    """171 texts to learn from, none to ten tokens each: batches of 48 leave a ragged last step."""
    write_table(folder, {"train": [_rows(100, 1), _rows(71, 2)], "validation": [_rows(60, 3)]})


def _rows(count: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    texts = [random.integers(1, _SIZE, length).tolist() for length in random.integers(0, 11, count)]
    labels = [int(sum(text) % 2) for text in texts]
    return pa.table(
        {
            "label": pa.array(labels, pa.int32()),
            "text_tokens": pa.array(texts, pa.list_(pa.int32())),
        }
    )


def weights_by_network(folder: Path, to: Path, world: World) -> dict[str, list[Any]]:
    """The weights of each network after two epochs."""
    return {network: _weights(folder, to / network, network, world) for network in NETWORKS}


def _weights(folder: Path, to: Path, network: str, world: World) -> list[Any]:
    params = TrainParams(
        "d", "f", "s", epochs=2, global_batch_size=48, memory_mb=10, network=network,
        embedding_dim=8, hidden=(4,), dropout=0.25, learning_rate=0.01, seed=7,
    )  # fmt: skip
    manifest = read_manifest(str(folder), 0, InputColumns.of(FEATURES))
    train, validation = (
        load_split(manifest, split, world, Reading(48, seed, memory_mb, is_trimmed=True))
        for split, seed, memory_mb in (("train", 7, 10), ("validation", None, 0))
    )
    model: Any = build_model_of(params, FEATURES)
    Loop(model, train, validation, LoopSettings.of(params, to, ()), world).run()
    return [variable.numpy().tolist() for variable in model.trainable_variables]
