"""What a model costs: bytes of its file and of its weights, and the processor's time for rows."""

import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.predict import Predictor

# whose zeros prune a network: neither biases nor what normalises
_KERNELS = ("kernel", "embeddings")
_PER_ROWS = 1000


def count_weights(model: Any) -> dict[str, int]:
    """Give the bytes of all weights as they are held, how many kernels have, and how many are 0.

    Kernels are those of all layers, embeddings too; scales and biases are no kernels.
    """
    weights = [v for v in model.variables if not v.path.endswith("seed_generator_state")]
    arrays = [(variable.path, np.asarray(variable.numpy())) for variable in weights]
    kernels = [array for path, array in arrays if path.endswith(_KERNELS)]
    return {
        "weight_bytes": sum(array.nbytes for _, array in arrays),
        "kernel_weights": sum(array.size for array in kernels),
        "kernel_zeros": sum(int(np.sum(array == 0)) for array in kernels),
    }


def use_one_thread() -> int:
    """Let TensorFlow have one thread, if it has not begun; gives how many it has, 0: all cores.

    What is measured then does not depend on how many cores are free.
    """
    import tensorflow as tf  # noqa: PLC0415  seconds to import

    with suppress(RuntimeError):  # it has begun
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return int(tf.config.threading.get_intra_op_parallelism_threads())


def seconds_per_1000_rows(
    predictors: Mapping[str, Predictor], rows: Arrays, num_repeats: int
) -> dict[str, float]:
    """Give the median time of the processor, of all threads, that each predictor takes.

    It is the time that passes where nothing else runs and there is one thread, and other work
    changes it less. They take turns, so such work meets all of them; each is called once before,
    since the first call traces.

    Args:
        predictors: By name.
        rows: What they are given, at once.
        num_repeats: Times, at least 1.
    """
    taken: dict[str, list[float]] = {name: [] for name in predictors}
    for predict in predictors.values():
        predict(rows)
    for _ in range(num_repeats):
        for name, predict in predictors.items():
            started = time.process_time()
            predict(rows)
            taken[name].append(time.process_time() - started)
    per_rows = _PER_ROWS / len(rows)
    return {name: statistics.median(times) * per_rows for name, times in taken.items()}
