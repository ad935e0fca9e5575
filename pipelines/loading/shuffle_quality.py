"""How well a shard plan mixes: a number to look at before training, not after."""

import numpy as np
from numpy.typing import NDArray

from pipelines.loading.shard_plan import ShardPlan
from pipelines.world import World


def measure_mixing(plan: ShardPlan, epoch: int = 0) -> float:
    """Give how many row groups a global batch draws on, over what a full shuffle would draw on.

    1 is as good as a full shuffle; 1 / (row groups) is reading file after file. A table whose rows
    lie in a random order already, as engineer_features writes them, trains well far below 1: each
    stretch of it is a sample of the whole.

    Args:
        plan: The plan.
        epoch: Whose order is looked at.

    Returns:
        Mean over the steps of the epoch, in (0, 1] but for chance.
    """
    drawn = np.zeros(plan.num_steps)
    offsets = [0] * plan.lanes
    marks: dict[int, list[tuple[int, int]]] = {}
    for read in plan.reads(World(0, 1), epoch):
        for stretch in read.stretches:
            begin = offsets[stretch.lane]
            offsets[stretch.lane] = end = begin + stretch.rows
            steps = (begin // plan.slice_size, (end - 1) // plan.slice_size + 1)
            marks.setdefault(read.row_group, []).append(steps)
    for spans in marks.values():
        is_drawn = np.zeros(plan.num_steps, bool)
        for first, last in spans:
            is_drawn[first:last] = True
        drawn += is_drawn
    return float(np.mean(drawn / _expected(plan)))


def _expected(plan: ShardPlan) -> NDArray[np.float64]:
    """Row groups that a batch of a full shuffle draws on, on average, by step: (steps,)."""
    sizes = [plan.rows_in_step(step) for step in range(plan.num_steps)]
    distinct, places = np.unique(sizes, return_inverse=True)
    rows = np.array(plan.rows)
    # a row group is missed by a draw of k rows out of n with about (1 - k / n) ** its rows
    left_out = np.power(1.0 - distinct[:, None] / plan.num_rows, rows[None, :])
    return np.maximum((1.0 - left_out).sum(axis=1), 1.0)[places]
