"""Texts on two ranks, whose batches differ in width: the model is that of one rank."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.training import distributed
from pipelines.world import World
from tests.pipelines.training.text_scenarios import NETWORKS, weights_by_network


def test_two_ranks_equal_one_on_texts_of_many_lengths(
    two_ranks: dict[str, Any], tmp_path: Path
) -> None:
    distributed.start()
    alone = weights_by_network(two_ranks["folder"] / "texts", tmp_path, World(0, 1))
    for network in NETWORKS:
        pairs = zip(alone[network], two_ranks["texts"][network], strict=True)
        assert all(np.allclose(ours, theirs, rtol=0, atol=1e-5) for ours, theirs in pairs), network
