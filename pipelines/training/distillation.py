"""Learn from a teacher: a network that is already trained says what it thinks of each row.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531,
section 2. The teacher is asked inside of the step, about the rows and pictures that the student
sees; its weights stay as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from pipelines.errors import ParameterError
from schemas.target import Target

# from inputs to (rows, width): logits, or a number
Teacher: TypeAlias = Callable[[Any], Any]
_LEAST_PROBABILITY = 1e-7


@dataclass(frozen=True, slots=True)
class Teaching:
    """How much a teacher counts.

    The loss of a row is (1 - A) hard + A soft, with A the ``weight``, ``hard`` the loss of its
    label, and ``soft``, with q_T and p_T the probabilities of teacher and student at temperature T:

    - of classes T^2 KL(q_T || p_T), where p_T is the softmax of the logits divided by T;
    - of a label of 0 or 1 the same for two classes, p_T being the sigmoid of the logit over T;
    - of a number the square of their difference, in deviations of the training split.

    T^2 keeps the gradients of both parts of like size, whatever T is.
    """

    weight: float = 0.5
    temperature: float = 2.0

    def blend(self, hard: Any, soft: Any) -> Any:
        """Give (1 - A) hard + A soft."""
        return (1 - self.weight) * hard + self.weight * soft

    def of_rows(self, target: Target, taught: Any, given: Any) -> Any:
        """Give ``soft`` of each row, (rows,).

        Args:
            target: What the label is.
            taught: What the teacher gives, (rows, ``target.width``).
            given: What the student gives, of the same shape.
        """
        taught = tf.stop_gradient(tf.cast(taught, given.dtype))
        if target.kind == "number":
            return tf.square((given - taught)[:, 0] / target.deviation)
        if target.kind == "binary":
            taught, given = (
                tf.concat([logit, tf.zeros_like(logit)], 1) for logit in (taught, given)
            )
        log_q, log_p = (tf.nn.log_softmax(x / self.temperature) for x in (taught, given))
        apart: Any = tf.reduce_sum(tf.exp(log_q) * (log_q - log_p), 1)
        return self.temperature**2 * apart


def make_teacher(
    teacher: keras.Model, student: keras.Model, target: Target, *, is_logit: bool
) -> Teacher:
    """Give a function from the student's inputs to logits, or to numbers.

    Args:
        teacher: Gives (rows, ``target.width``).
        student: The network that is to learn.
        target: What the label is.
        is_logit: Whether the teacher gives logits; else probabilities, or a number.

    Raises:
        ParameterError: The teacher takes what the student is not given.
    """
    inputs: list[Any] = teacher.inputs
    known = {t.name: _described(t) for t in student.inputs}
    wanted = {t.name: _described(t) for t in inputs}
    if missing := [name for name in wanted if known.get(name) != wanted[name]]:
        raise ParameterError(
            "--teacher: expected a model of the same inputs; it takes "
            f"{', '.join(f'{name} {wanted[name]}' for name in missing)}, this training has "
            f"{', '.join(f'{name} {said}' for name, said in known.items())}. Give a model that was "
            "trained with the same features state"
        )

    def teach(given: Any) -> Any:
        said: Any = teacher({name: given[name] for name in wanted}, training=False)
        if is_logit or target.kind == "number":
            return said
        said = tf.clip_by_value(said, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
        return tf.math.log(said) - (tf.math.log1p(-said) if target.kind == "binary" else 0.0)

    return teach


def _described(tensor: Any) -> str:
    lengths = ", ".join("any" if length is None else str(length) for length in tensor.shape[1:])
    return f"({lengths}) {tensor.dtype}"
