"""What is predicted: a contract's label, and what a network must give for it.

A label is of one of three kinds. ``binary``: 0 or 1. ``classes``: one of several names, which the
contract declares in an order. ``number``: a number in a unit.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

# columns of a table of predictions
PROBABILITY, PREDICTION = "probability", "prediction"
LabelKind: TypeAlias = Literal["binary", "classes", "number"]
_LABEL_TYPES: dict[LabelKind, Literal["int", "string", "double"]] = {
    "binary": "int",
    "classes": "string",
    "number": "double",
}


@dataclass(frozen=True, slots=True)
class Label:
    """What is predicted: a Spark SQL expression over the main source.

    Without more said it is binary: ``sql`` gives 0 or 1. With ``classes`` it gives the name of one
    of them; the features table holds its place among them, int32 from 0. With ``is_number`` it
    gives a number in ``unit``, float32 in the features table. A name that is not declared, or a
    number that is not finite, sends its row to quarantine when rows are split.

    ``naive`` is a column that is taken for the number as it is by whoever has no model, such as the
    last reading for the next one; it is also a ``Numeric`` feature, and evaluated beside them.

    Rows whose label is null are filtered from the features with the rule ``no_label``.
    """

    name: str
    sql: str
    description: str = ""
    classes: tuple[str, ...] = ()
    is_number: bool = False
    unit: str = ""
    naive: str = ""

    @property
    def kind(self) -> LabelKind:
        """``binary``, ``classes`` or ``number``."""
        return "number" if self.is_number else "classes" if self.classes else "binary"

    @property
    def type(self) -> Literal["int", "string", "double"]:
        """Type of its column from the split on; in the features table see ``feature_type``."""
        return _LABEL_TYPES[self.kind]

    @property
    def feature_type(self) -> Literal["int", "float"]:
        """Type of its column in the features table."""
        return "float" if self.is_number else "int"


@dataclass(frozen=True, slots=True)
class Target:
    """What a network is to give for a label.

    ``binary``: a logit, width 1. ``classes``: a logit for each of them, in their order.
    ``number``: the number in its ``unit``, width 1; ``mean`` and ``deviation`` are those of the
    training split, by which it is standardised while it is learned.
    """

    kind: LabelKind = "binary"
    classes: tuple[str, ...] = ()
    unit: str = ""
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def width(self) -> int:
        """Outputs of a network for each row."""
        return len(self.classes) or 1

    @property
    def num_classes(self) -> int:
        """Labels lie in [0, num_classes); 0 of a number."""
        return 0 if self.kind == "number" else len(self.classes) or 2


BINARY = Target()


def target_of(label: Label, mean: float = 0.0, deviation: float = 1.0) -> Target:
    """Give what a network must give for ``label``; a number's moments are fitted."""
    return Target(label.kind, label.classes, label.unit, mean, deviation)


def prediction_columns(kind: LabelKind) -> dict[str, Literal["double", "string"]]:
    """Give the columns that a table of predictions has for such a label, and their types."""
    if kind == "classes":
        return {PREDICTION: "string", PROBABILITY: "double"}
    return {PREDICTION: "double"} if kind == "number" else {PROBABILITY: "double"}


def bad_label(label: Label) -> Iterator[str]:
    """Say what is wrong with a label, one phrase for each mistake."""
    if label.classes and label.is_number:
        yield f"label {label.name}: expected classes or is_number; got both"
    if len(label.classes) == 1 or not all(label.classes):
        yield f"label {label.name}: expected two classes or more, with names; got {label.classes}"
    if twice := sorted({name for name in label.classes if label.classes.count(name) > 1}):
        yield f"label {label.name}: classes come twice: {twice}"
    if (label.unit or label.naive) and not label.is_number:
        yield f"label {label.name}: only a number has a unit or a naive forecast"


def bad_target(target: Target) -> str:
    """Say what is wrong with a target that was read from a file; empty if nothing is."""
    if target.kind not in _LABEL_TYPES:
        return f"the kind {target.kind!r}"
    if (target.kind == "classes") != (len(target.classes) > 1):
        return f"the classes {target.classes} of the kind {target.kind}"
    if not (math.isfinite(target.mean) and 0 < target.deviation < math.inf):
        return f"mean {target.mean} and deviation {target.deviation}"
    return ""
