"""What training minimises: a loss of each row, its weight by class, a penalty on the weights.

All of it is summed as shares of a global batch, so any number of ranks minimises the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from pipelines.training.method import BALANCED

_EVEN = (1.0, 1.0)
_PENALISED = ("kernel", "embeddings")  # neither biases nor what normalises


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss of a logit z and a label y of 0 or 1, with p = sigmoid(z).

    - ``cross-entropy``: -y log p - (1 - y) log(1 - p).
    - ``mse``: (p - y)^2, the Brier score of a row.
    - ``focal``: -alpha y (1 - p)^gamma log p - (1 - alpha)(1 - y) p^gamma log(1 - p). Lin et al.
      2017, "Focal Loss for Dense Object Detection", equation 5.

    Args:
        loss: One of these.
        gamma: Of the focal loss.
        alpha: Of the focal loss, the share of label 1.
        label_smoothing: s; y becomes y (1 - s) + s / 2. Szegedy et al. 2016, "Rethinking the
            Inception Architecture", section 7. In training only.
        class_weights: What the losses of rows with label 0 and 1 are multiplied by. The sum is
            still divided by the number of rows.
        l1: Penalty per absolute value of a weight. Of kernels and embeddings only, as is ``l2``.
        l2: Penalty per square of a weight; not halved, as in Keras.
    """

    loss: str = "cross-entropy"
    gamma: float = 2.0
    alpha: float = 0.25
    label_smoothing: float = 0.0
    class_weights: tuple[float, float] = _EVEN
    l1: float = 0.0
    l2: float = 0.0

    @property
    def is_log_loss(self) -> bool:
        """Whether, without smoothing and penalty, this is the mean log loss."""
        return self.loss == "cross-entropy" and self.class_weights == _EVEN

    @property
    def has_penalty(self) -> bool:
        """Whether large weights cost anything."""
        return bool(self.l1 or self.l2)

    def of_rows(self, label: Any, logit: Any) -> tf.Tensor:
        """Give the loss of each row, (rows,), from label and logit, (rows, 1)."""
        target = label
        if self.label_smoothing:
            target = label * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses: Any = self._loss()(target, logit)[:, 0]
        if self.class_weights != _EVEN:
            low, high = (tf.constant(weight, losses.dtype) for weight in self.class_weights)
            losses *= tf.where(label[:, 0] > 0.5, high, low)  # noqa: PLR2004  between 0 and 1
        return losses

    def unsmoothed(self) -> "Objective":
        """Give the one that a validation split is measured by."""
        return replace(self, label_smoothing=0.0)

    def penalty(self, variables: Sequence[Any]) -> Any:
        """Give l1 sum |w| + l2 sum w^2 over the kernels and embeddings; 0.0 without a penalty."""
        total: Any = 0.0
        for variable in variables:
            if not variable.path.endswith(_PENALISED):
                continue
            if self.l1:
                total += self.l1 * tf.reduce_sum(tf.abs(variable.value))
            if self.l2:
                total += self.l2 * tf.reduce_sum(tf.square(variable.value))
        return total

    def _loss(self) -> Callable[[Any, Any], Any]:
        return {
            "cross-entropy": tf.nn.sigmoid_cross_entropy_with_logits,
            "mse": _squared_error,
            "focal": self._focal,
        }[self.loss]

    def _focal(self, target: Any, logit: Any) -> Any:
        # by logarithms: powers of a p that is rounded to 0 or 1 have no gradient
        log_p, log_q = -tf.nn.softplus(-logit), -tf.nn.softplus(logit)
        positive = self.alpha * target * tf.exp(self.gamma * log_q) * log_p
        negative = (1 - self.alpha) * (1 - target) * tf.exp(self.gamma * log_p) * log_q
        return -(positive + negative)


def _squared_error(target: Any, logit: Any) -> Any:
    return tf.square(tf.sigmoid(logit) - target)


LOG_LOSS = Objective()


def class_weights(said: Sequence[str], counts: Sequence[int]) -> tuple[float, float]:
    """Give the weights of label 0 and 1 that a flag asks for: nothing, two numbers, or balance."""
    if not said:
        return _EVEN
    if said == (BALANCED,):
        return balanced(counts)
    low, high = map(float, said)
    return low, high


def balanced(counts: Sequence[int]) -> tuple[float, float]:
    """Give class weights n / (2 n_c), whose mean over the rows is 1; as scikit-learn's "balanced".

    >>> balanced((30, 10))
    (0.6666666666666666, 2.0)
    """
    low, high = (sum(counts) / (2 * count) for count in counts)
    return low, high
