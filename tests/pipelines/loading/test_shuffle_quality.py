"""The measure of mixing, against full shuffles drawn by hand and against no shuffle at all."""

import numpy as np
import pytest

from pipelines.loading.shard_plan import ShardPlan
from pipelines.loading.shuffle_quality import measure_mixing


def test_few_row_groups_over_many_lanes_mix_as_a_full_shuffle_does() -> None:
    assert measure_mixing(ShardPlan((4_000,) * 8, 480, seed=1)) > 0.95


def test_reading_file_after_file_scores_what_it_is() -> None:
    # one lane and no shuffle: each batch is a piece of one file
    plan = ShardPlan((480,) * 50, 48, seed=1, lanes=1, is_shuffled=False)
    drawn = np.random.default_rng(5).permutation(np.repeat(np.arange(50), 480)).reshape(-1, 48)
    full = np.mean([len(set(batch)) for batch in drawn])
    assert measure_mixing(plan) == pytest.approx(1 / full, rel=0.02)


def test_many_row_groups_are_drawn_on_by_lanes_only() -> None:
    plan = ShardPlan((1_000,) * 400, 480, seed=1)
    # 24 lanes of 400 groups, where a full shuffle would draw on 280
    assert measure_mixing(plan) == pytest.approx(24 / 280, rel=0.1)
