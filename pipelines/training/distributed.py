"""A Keras 3 layer over Horovod's TensorFlow core: reduce gradients, broadcast, average, agree.

horovod.keras trains N unrelated Keras 3 models without a word (its optimizer hooks are never
called), so it is not used. Here the optimizer object gets a subclass of its own class for the
time of training, whose ``_clip_gradients`` sums the gradients over the ranks. Keras calls it once
per update, after local accumulation and before clipping (keras 3.15, base_optimizer.py).
"""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.world import World


def start() -> World:
    """Join the ranks (alone, there is one) and say which one this is."""
    # lets a run ask for the timeline of some steps; nothing is written before it does
    os.environ.setdefault("HOROVOD_TIMELINE", "DYNAMIC")
    hvd.init()
    return World(hvd.rank(), hvd.size())


def stop() -> None:
    """Leave the ranks; waits for none of them."""
    hvd.shutdown()


@dataclass(frozen=True, slots=True)
class Reduction:
    """How gradients travel between ranks.

    ``is_half`` sends them as float16: half the bytes, three decimal digits, and nothing beyond
    65504. ``is_sparse`` sends of an embedding's gradient only the rows that a batch touched, by
    all-gather: fewer bytes where a table has more rows than the global batch has codes.
    """

    is_half: bool = False
    is_sparse: bool = False


_RIDER, _SUMMED_RIDER = "_rider", "_summed_rider"
# sees gradients once they are summed
Watch: TypeAlias = Callable[[Sequence[Any]], None]


def _unwatched(_: Sequence[Any]) -> None:
    pass


class _SummedGradients:
    """First base of the lent class: sums gradients over the ranks before they are clipped."""

    reduction = Reduction()
    watch: Watch = staticmethod(_unwatched)

    def _clip_gradients(self, grads: Sequence[Any]) -> Any:
        # past Keras, which would track what is set on an optimizer
        rider = self.__dict__.pop(_RIDER, None)
        summed = sum_over_ranks(grads, self.reduction, () if rider is None else (rider,))
        if rider is not None:
            self.__dict__[_SUMMED_RIDER] = summed.pop()
        self.watch(summed)
        return super()._clip_gradients(summed)  # pyright: ignore[reportAttributeAccessIssue]


def apply_with(optimizer: Any, pairs: tuple[Any, Any], value: tf.Tensor) -> tf.Tensor:
    """Apply gradients to variables, and give the sum of ``value`` over the ranks.

    It travels with the gradients: a message of its own would cost the ranks another agreement, a
    millisecond or more of each step.

    Args:
        optimizer: Inside ``summed_gradients``.
        pairs: Gradients, variables.
        value: A scalar float32.
    """
    if optimizer.gradient_accumulation_steps:  # not every step sends its gradients
        optimizer.apply(*pairs)
        return sum_in_graph(value, "rider")
    optimizer.__dict__[_RIDER] = value
    optimizer.apply(*pairs)
    return optimizer.__dict__.pop(_SUMMED_RIDER)


def sum_over_ranks(
    grads: Sequence[Any], reduction: Reduction, exact: Sequence[tf.Tensor] = ()
) -> list[tf.Tensor]:
    """Give the sum over the ranks of each gradient, dense and of its own type.

    What is in ``exact`` is summed with them, never narrowed, and comes last.

    Names are positions in the model, the same on each rank: names made up by layers can differ
    between ranks, and Horovod waits for ever for a name that one rank does not have.
    """
    summed: dict[int, tf.Tensor] = {}
    dense: dict[int, tf.Tensor] = {}
    for place, grad in enumerate(grads):
        if reduction.is_sparse and isinstance(grad, tf.IndexedSlices):
            summed[place] = _gather_slices(grad, f"gradients/{place}", reduction)
        else:
            dense[place] = _narrow(tf.convert_to_tensor(grad), reduction)
    dense |= dict(enumerate(exact, len(grads)))
    # one group for each type: fused into one buffer, and reduced at the same moment on each rank
    for dtype in sorted({tensor.dtype.name for tensor in dense.values()}):
        places = [place for place, tensor in dense.items() if tensor.dtype.name == dtype]
        sent = [dense[place] for place in places]
        total: Any = hvd.grouped_allreduce(sent, name=f"gradients/{dtype}", op=hvd.Sum)
        summed |= dict(zip(places, total, strict=True))
    return [tf.cast(summed[place], value.dtype) for place, value in enumerate([*grads, *exact])]


def _gather_slices(grad: tf.IndexedSlices, name: str, reduction: Reduction) -> tf.Tensor:
    indices = hvd.allgather(grad.indices, name=f"{name}/indices")
    values = hvd.allgather(_narrow(grad.values, reduction), name=f"{name}/values")
    # rows that several ranks touched are added up here, in float32
    slices = tf.IndexedSlices(tf.cast(values, grad.dtype), indices, grad.dense_shape)
    return tf.convert_to_tensor(slices)


def _narrow(tensor: tf.Tensor, reduction: Reduction) -> tf.Tensor:
    return tf.cast(tensor, tf.float16) if reduction.is_half else tensor


@contextmanager
def summed_gradients(
    optimizer: keras.optimizers.Optimizer,
    reduction: Reduction = Reduction(),
    watch: Watch = _unwatched,
) -> Generator[None, None, None]:
    """Make ``optimizer`` sum gradients over the ranks, until the end of the block.

    ``watch`` is shown the sums before they are clipped.

    The caller's loss must be this rank's share of the global loss, sum(weight * loss) / (weight
    of the global batch): then the sum over ranks is exactly the gradient of one rank that has
    the whole batch, however the rows and the empty slots lie.
    """
    plain = type(optimizer)
    lent = {"reduction": reduction, "watch": staticmethod(watch)}
    optimizer.__class__ = type(f"Summed{plain.__name__}", (_SummedGradients, plain), lent)
    try:
        yield
    finally:
        optimizer.__class__ = plain


def broadcast_state(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    """Give every rank the root's weights and optimizer state; call before the first step."""
    # hvd.broadcast_variables names them as Keras does, which counts the models of a process
    for place, variable in enumerate(state_variables(model, optimizer)):
        variable.assign(hvd.broadcast(variable.value, 0, name=f"state/{place}"))


def state_variables(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> list[Any]:
    """Give all variables that a resumed run needs, model first, in a fixed order."""
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    # seed states are not numbers to train, and GlobalDropout does not use them
    states = [v for v in model.variables if not v.path.endswith("seed_generator_state")]
    return [*states, *optimizer.variables]


def sum_values(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Sum an array over the ranks in float64; every rank gets the same bits."""
    summed: Any = hvd.allreduce(tf.constant(values, tf.float64), name=f"sum/{name}", op=hvd.Sum)
    return summed.numpy()


def sum_in_graph(value: tf.Tensor, name: str) -> tf.Tensor:
    """Sum a tensor over the ranks inside a ``tf.function``."""
    summed: Any = hvd.allreduce(value, name=f"sum/{name}", op=hvd.Sum)
    return summed


def gather_rows(values: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Give (ranks, values): the ``values`` of each rank, one row a rank."""
    gathered = hvd.allgather(tf.constant(values[None, :], tf.int64), name=f"gather/{name}")
    return gathered.numpy()


def broadcast_bytes(content: bytes | None) -> bytes:
    """Give every rank the root's ``content``; the others' is not looked at."""
    length = hvd.broadcast(tf.constant(len(content or b""), tf.int64), 0, name="bytes/length")
    buffer = np.zeros(int(length), np.uint8)
    if content and hvd.rank() == 0:
        buffer = np.frombuffer(content, np.uint8)
    if not len(buffer):
        return b""
    return hvd.broadcast(tf.constant(buffer), 0, name="bytes/content").numpy().tobytes()
