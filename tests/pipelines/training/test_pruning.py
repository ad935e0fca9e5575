"""Which weights become zero, when, and that exactly as many as promised stay so."""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.training import distributed
from pipelines.training import pruning as module
from pipelines.training.loop import Loop
from pipelines.training.pruning import Sparsity, keep_greatest
from pipelines.world import World
from tests.pipelines.training.scenarios import make_loop


def test_the_schedule_is_zhu_and_guptas_cubic_one() -> None:
    # s_t = s_f + (s_i - s_f) (1 - (t - t0) / (n dt))^3 with s_i = t0 = 0
    found = [Sparsity(0.9, 0.5).after(step, 40) for step in range(41)]
    expected = [0.9 + (0 - 0.9) * (1 - (t - 0) / 20) ** 3 for t in range(21)]
    assert found[:21] == pytest.approx(expected, abs=1e-12)
    assert found[20:] == [0.9] * 21
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("is_global", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.95])
def test_exactly_the_least_weights_go(share: float, *, is_global: bool) -> None:
    random = np.random.default_rng(1)
    # the second layer's weights are a tenth of the first's
    sizes = [abs(random.normal(size=(7, 9))), abs(random.normal(size=(5, 5, 2))) / 10]
    kept = keep_greatest(sizes, share, Sparsity(share, is_global=is_global))
    groups = [
        (np.concatenate([a.ravel() for a in sizes]), np.concatenate([k.ravel() for k in kept]))
    ]
    if not is_global:
        groups = [(size.ravel(), keep.ravel()) for size, keep in zip(sizes, kept, strict=True)]
    for size, keep in groups:
        assert int(np.sum(~keep)) == int(share * size.size + 0.5)
        assert size[keep].min() > size[~keep].max(initial=-1.0)


def test_what_is_masked_stays_masked() -> None:
    size = np.array([0.0, 3.0, 0.0, 1.0, 2.0, 0.0])
    (kept,) = keep_greatest([size], 4 / 6, Sparsity(4 / 6))
    assert kept.tolist() == [False, True, False, False, True, False]


def _kernels(loop: Loop) -> list[Any]:
    variables = loop.model.trainable_variables
    return [v.numpy() for v in variables if v.path.endswith(("kernel", "embeddings"))]


@pytest.mark.parametrize("is_global", [False, True])
def test_a_trained_network_has_the_promised_zeros(
    table: str, tmp_path: Path, *, is_global: bool
) -> None:
    distributed.start()
    sparsity = Sparsity(0.7, 0.5, is_global)
    loop = make_loop(table, str(tmp_path), World(0, 1), sparsity=sparsity)
    loop.run()
    kernels = _kernels(loop)
    zeros = [int(np.sum(kernel == 0)) for kernel in kernels]
    if is_global:
        assert sum(zeros) == int(0.7 * sum(kernel.size for kernel in kernels) + 0.5)
    else:
        assert zeros == [int(0.7 * kernel.size + 0.5) for kernel in kernels]
    others = [v.numpy() for v in loop.model.trainable_variables if v.path.endswith("bias")]
    assert all(np.any(bias != 0) for bias in others)


def test_the_best_epoch_is_one_with_all_zeros_and_no_patience_is_lost_before(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed.start()
    # of 28 steps 14, so two epochs
    changes: dict[str, Any] = {"sparsity": Sparsity(0.7, 0.5), "epochs": 4, "patience": 1}
    loop = make_loop(table, str(tmp_path), World(0, 1), **changes)
    losses = {1: 0.1, 2: 0.5, 3: 0.4, 4: 0.45}
    validate = loop._validate
    monkeypatch.setattr(loop, "_validate", lambda epoch: validate(epoch) | {"loss": losses[epoch]})
    progress = loop.run().progress
    assert (progress.best_epoch, progress.best_loss, progress.epoch) == (3, 0.4, 4)
    assert [int(np.sum(k == 0)) for k in _kernels(loop)] == [
        int(0.7 * k.size + 0.5) for k in _kernels(loop)
    ]
