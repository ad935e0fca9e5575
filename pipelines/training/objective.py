"""What training minimises: a loss of each row, its weight by class, a penalty on the weights.

All of it is summed as shares of a global batch, so any number of ranks minimises the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from pipelines.training.distillation import Teaching
from pipelines.training.method import BALANCED
from schemas.target import BINARY, LabelKind, Target

_EVEN: tuple[float, ...] = ()
_KERNELS = ("kernel", "embeddings")
_MIXED = 3  # columns of a label that is two, see Objective.of_rows
_Loss = Callable[["Objective", Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss of what a network gives for a row and of its label y.

    Binary, of a logit z and y of 0 or 1, with p = sigmoid(z):

    - ``cross-entropy``: -y log p - (1 - y) log(1 - p).
    - ``mse``: (p - y)^2, the Brier score of a row.
    - ``focal``: -alpha y (1 - p)^gamma log p - (1 - alpha)(1 - y) p^gamma log(1 - p). Lin et al.
      2017, "Focal Loss for Dense Object Detection", equation 5.

    Classes, of a logit for each of K, with p their softmax and y one-hot:

    - ``cross-entropy``: - sum_k y_k log p_k.
    - ``mse``: sum_k (p_k - y_k)^2, Brier's own score.
    - ``focal``: - sum_k y_k (1 - p_k)^gamma log p_k; instead of alpha there are class weights.

    A number, of the error e = (given - y) / deviation of the training split:

    - ``mse``: e^2.
    - ``mae``: |e|.
    - ``huber``: e^2 / 2 up to |e| = delta, beyond it delta (|e| - delta / 2). Huber 1964, "Robust
      Estimation of a Location Parameter".

    Args:
        loss: One of these.
        gamma: Of the focal loss.
        alpha: Of the binary focal loss, the share of label 1.
        label_smoothing: s; y becomes y (1 - s) + s / K, K being 2 of a binary label. Szegedy et al.
            2016, "Rethinking the Inception Architecture", section 7. In training only.
        class_weights: What the losses of rows of each class are multiplied by; empty: 1. The sum is
            still divided by the number of rows.
        l1: Penalty per absolute value of a weight. Of kernels and embeddings only, as is ``l2``.
        l2: Penalty per square of a weight; not halved, as in Keras.
        delta: Of the Huber loss, in deviations of the training split.
        target: What the label is.
        teaching: How much a teacher counts, where there is one.
    """

    loss: str = "cross-entropy"
    gamma: float = 2.0
    alpha: float = 0.25
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = _EVEN
    l1: float = 0.0
    l2: float = 0.0
    delta: float = 1.0
    target: Target = BINARY
    teaching: Teaching = field(default_factory=Teaching)

    @property
    def is_log_loss(self) -> bool:
        """Whether, without smoothing and penalty, this is the mean log loss."""
        return self.loss == "cross-entropy" and self.class_weights == _EVEN

    @property
    def has_penalty(self) -> bool:
        """Whether large weights cost anything."""
        return bool(self.l1 or self.l2)

    def of_rows(self, label: Any, given: Any, taught: Any = None) -> tf.Tensor:
        """Give the loss of each row, (rows,).

        Args:
            label: (rows, 1); of classes their places in the contract. Or (rows, 3): two labels
                and the share s of the first; the loss is then s l(first) + (1 - s) l(second).
            given: What the network gives, (rows, ``target.width``).
            taught: What a teacher gives, of the same shape; by default there is none.
        """
        if label.shape[1] == _MIXED:
            first, second, share = tf.split(label, _MIXED, axis=1)
            both: Any = [self.of_rows(one, given, taught) for one in (first, second)]
            return share[:, 0] * both[0] + (1 - share[:, 0]) * both[1]
        losses: Any = _LOSSES[self.target.kind][self.loss](self, label, given)
        if taught is not None:
            soft = self.teaching.of_rows(self.target, taught, given)
            losses = self.teaching.blend(losses, soft)
        if self.class_weights != _EVEN:
            weights = tf.constant(self.class_weights, losses.dtype)
            losses *= tf.gather(weights, tf.cast(label[:, 0], tf.int32))
        return losses

    def unsmoothed(self) -> "Objective":
        """Give the one that a validation split is measured by."""
        return replace(self, label_smoothing=0.0)

    def penalty(self, variables: Sequence[Any]) -> Any:
        """Give l1 sum |w| + l2 sum w^2 over the kernels and embeddings; 0.0 without a penalty."""
        total: Any = 0.0
        for variable in variables:
            if not is_kernel(variable):
                continue
            if self.l1:
                total += self.l1 * tf.reduce_sum(tf.abs(variable.value))
            if self.l2:
                total += self.l2 * tf.reduce_sum(tf.square(variable.value))
        return total

    def smoothed(self, label: Any) -> Any:
        """Give what a probability is held to: (rows, 1), or one-hot (rows, K)."""
        if self.target.kind == "classes":
            places = tf.cast(label[:, 0], tf.int32)
            label = tf.one_hot(places, self.target.width, dtype=label.dtype)
        if not self.label_smoothing:
            return label
        return label * (1 - self.label_smoothing) + self.label_smoothing / self.target.num_classes


def _cross_entropy(objective: Objective, label: Any, logit: Any) -> Any:
    losses: Any = tf.nn.sigmoid_cross_entropy_with_logits(objective.smoothed(label), logit)
    return losses[:, 0]


def _squared(objective: Objective, label: Any, logit: Any) -> Any:
    losses: Any = tf.square(tf.sigmoid(logit) - objective.smoothed(label))
    return losses[:, 0]


def _focal(objective: Objective, label: Any, logit: Any) -> Any:
    target, gamma = objective.smoothed(label), objective.gamma
    # by logarithms: powers of a p that is rounded to 0 or 1 have no gradient
    log_p, log_q = -tf.nn.softplus(-logit), -tf.nn.softplus(logit)
    positive = objective.alpha * target * tf.exp(gamma * log_q) * log_p
    negative = (1 - objective.alpha) * (1 - target) * tf.exp(gamma * log_p) * log_q
    return -(positive + negative)[:, 0]


def _cross_entropy_of_classes(objective: Objective, label: Any, logits: Any) -> Any:
    return tf.nn.softmax_cross_entropy_with_logits(objective.smoothed(label), logits)


def _squared_of_classes(objective: Objective, label: Any, logits: Any) -> Any:
    apart: Any = tf.nn.softmax(logits) - objective.smoothed(label)
    return tf.reduce_sum(tf.square(apart), 1)


def _focal_of_classes(objective: Objective, label: Any, logits: Any) -> Any:
    log_p: Any = tf.nn.log_softmax(logits)
    # 1 - p is taken away from zero, where a power below one has no gradient
    rest = tf.maximum(-tf.math.expm1(log_p), _SMALLEST)
    return -tf.reduce_sum(objective.smoothed(label) * rest**objective.gamma * log_p, 1)


_SMALLEST = 1e-12


def _error(objective: Objective, label: Any, given: Any) -> Any:
    return (given - label)[:, 0] / objective.target.deviation


def _squared_error(objective: Objective, label: Any, given: Any) -> Any:
    return tf.square(_error(objective, label, given))


def _absolute_error(objective: Objective, label: Any, given: Any) -> Any:
    return tf.abs(_error(objective, label, given))


def _huber(objective: Objective, label: Any, given: Any) -> Any:
    size: Any = tf.abs(_error(objective, label, given))
    inside = tf.minimum(size, objective.delta)
    return inside * (size - inside / 2)


_LOSSES: dict[LabelKind, dict[str, _Loss]] = {
    "binary": {"cross-entropy": _cross_entropy, "mse": _squared, "focal": _focal},
    "classes": {
        "cross-entropy": _cross_entropy_of_classes,
        "mse": _squared_of_classes,
        "focal": _focal_of_classes,
    },
    "number": {"mse": _squared_error, "mae": _absolute_error, "huber": _huber},
}

LOG_LOSS = Objective()


def is_kernel(variable: Any) -> bool:
    """Whether a Keras variable is a kernel or an embedding: neither a bias nor what normalises."""
    return variable.path.endswith(_KERNELS)


def class_weights(said: Sequence[str], counts: Sequence[int]) -> tuple[float, ...]:
    """Give the weights of the classes that a flag asks for: nothing, numbers, or balance."""
    return balanced(counts) if tuple(said) == (BALANCED,) else tuple(map(float, said))


def balanced(counts: Sequence[int]) -> tuple[float, ...]:
    """Give class weights n / (K n_c), whose mean over the rows is 1; as scikit-learn's "balanced".

    >>> balanced((30, 10))
    (0.6666666666666666, 2.0)
    """
    return tuple(sum(counts) / (len(counts) * count) for count in counts)
