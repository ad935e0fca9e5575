"""Which parameters of a training fit together, and which of them fit a label."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from pipelines.errors import ParameterError
from pipelines.training.method import BALANCED, LOSSES_OF
from schemas.target import Target

if TYPE_CHECKING:
    from pipelines.training.parameters import TrainParams

FOCAL_ALPHA = 0.25
_MOST_WEIGHT = 1e6


def check_weights(said: Sequence[str], *, is_mixed: bool) -> None:
    """Raise ``ParameterError`` unless these are class weights."""
    if tuple(said) == (BALANCED,) and is_mixed:
        raise ParameterError(
            "expected numbers for --class-weights with --mix; got 'balanced', which counts "
            "the labels of one table"
        )
    if tuple(said) not in ((), (BALANCED,)) and not all(map(_is_weight, said)):
        raise ParameterError(
            "expected --class-weights to be 'balanced', or numbers above 0, one for each "
            f"class; got {' '.join(said)}"
        )


def check_pruning(params: "TrainParams") -> None:
    """Raise ``ParameterError`` where what is said of pruning counts for nothing."""
    if not params.prune_to:
        _refuse_without(params, "--prune-to", ("prune_until", "prune_by"))


def check_teaching(params: "TrainParams") -> None:
    """Raise ``ParameterError`` where what is said of a teacher counts for nothing."""
    if not params.teacher:
        _refuse_without(params, "--teacher", ("distill_weight", "distill_temperature"))
    elif not params.distill_weight:
        raise ParameterError(
            "expected --distill-weight above 0 with --teacher; got 0, so it counts for nothing"
        )


def check_start(params: "TrainParams") -> None:
    """Raise ``ParameterError`` where what is said of a model to begin with counts for nothing."""
    if not params.start_from:
        _refuse_without(params, "--start-from", ("freeze",))
    if params.rows_per_class and params.mix:
        raise ParameterError(
            "expected --rows-per-class or --mix; got both, and rows of other tables would be many"
        )


def check_label(params: "TrainParams", target: Target) -> None:
    """Raise ``ParameterError`` if a flag counts for nothing, or means nothing, with a label."""
    known = LOSSES_OF[target.kind]
    what = {"binary": "0 or 1", "classes": f"one of {target.width} classes"}
    label = f"the label is {what.get(target.kind, 'a number')}"
    if params.loss and params.loss not in known:
        raise ParameterError(
            f"expected --loss to be one of {', '.join(known)}, since {label}; got {params.loss}"
        )
    if target.kind == "number":
        _refuse_of_numbers(params, label)
    if target.kind == "classes" and params.focal_alpha != FOCAL_ALPHA:
        raise ParameterError(
            f"--focal-alpha counts only with a label of 0 or 1; {label}: give --class-weights"
        )
    num_weights = len(params.class_weights)
    if params.class_weights not in ((), (BALANCED,)) and num_weights != target.num_classes:
        raise ParameterError(
            f"expected --class-weights to be 'balanced', or {target.num_classes} numbers, "
            f"since {label}; got {' '.join(params.class_weights)}"
        )


def _refuse_of_numbers(params: "TrainParams", label: str) -> None:
    temperature = next(f.default for f in fields(params) if f.name == "distill_temperature")
    counts = {
        "class-weights": bool(params.class_weights),
        "label-smoothing": bool(params.label_smoothing),
        "distill-temperature": params.distill_temperature != temperature,
    }
    if said := [flag for flag, is_said in counts.items() if is_said]:
        raise ParameterError(f"--{said[0]} counts only with classes; {label}")


def _refuse_without(params: "TrainParams", flag: str, names: Sequence[str]) -> None:
    for item in fields(params):
        if item.name in names and getattr(params, item.name) != item.default:
            raise ParameterError(f"--{item.name.replace('_', '-')} counts only with {flag}")


def _is_weight(text: str) -> bool:
    try:
        return 0 < float(text) <= _MOST_WEIGHT
    except ValueError:
        return False
