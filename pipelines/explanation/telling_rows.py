"""Which single rows to look at: where the model is surest, right and wrong, and where it wavers."""

import numpy as np
import numpy.typing as npt

from pipelines.explanation.case import Case


def telling_rows(case: Case) -> list[tuple[str, int]]:
    """Give a few rows by their place, each with why it was chosen; those there are none of lack."""
    kind = case.features.target.kind
    found = {"binary": _binary, "classes": _classes, "number": _numbers}[kind](case)
    return [(why, place) for why, place in found if place >= 0]


def right_and_wrong(case: Case, each: int) -> list[tuple[str, int]]:
    """Draw as many rows that are called right as wrong, at most ``each``; of numbers any."""
    random = np.random.default_rng(case.seed)
    if case.features.target.kind == "number":
        chosen = random.permutation(len(case.said))[: 2 * each]
        return [("drawn at random", int(place)) for place in chosen]
    drawn: list[tuple[str, int]] = []
    for why, mask in (("right", case.is_right), ("wrong", ~case.is_right)):
        drawn += [(why, int(place)) for place in random.permutation(np.flatnonzero(mask))[:each]]
    return drawn


def _binary(case: Case) -> list[tuple[str, int]]:
    said, right = case.said, case.is_right
    is_called = said >= case.threshold
    return [
        ("surest of 1, and right", _best(said, right & is_called)),
        ("surest of 0, and right", _best(-said, right & ~is_called)),
        ("surest of 1, and wrong", _best(said, ~right & is_called)),
        ("surest of 0, and wrong", _best(-said, ~right & ~is_called)),
        (f"nearest the threshold {case.threshold:.3f}",
         _best(-np.abs(said - case.threshold), np.ones(len(said), bool))),
    ]  # fmt: skip


def _classes(case: Case) -> list[tuple[str, int]]:
    first = np.sort(case.said, axis=1)[:, ::-1]
    return [
        ("surest, and right", _best(first[:, 0], case.is_right)),
        ("surest, and wrong", _best(first[:, 0], ~case.is_right)),
        ("least sure", _best(first[:, 1] - first[:, 0], np.ones(len(first), bool))),
    ]


def _numbers(case: Case) -> list[tuple[str, int]]:
    error = case.said - case.arrays.label
    every = np.ones(len(error), bool)
    return [
        ("least error", _best(-np.abs(error), every)),
        ("most too high", _best(error, error > 0)),
        ("most too low", _best(-error, error < 0)),
    ]


def _best(value: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_]) -> int:
    return int(np.where(mask, value, -np.inf).argmax()) if mask.any() else -1
