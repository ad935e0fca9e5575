"""Columns of a table: what they are worth, on the whole and in single rows."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.evaluation import class_metrics, kinds, metrics, number_metrics
from pipelines.evaluation.predict import Predictor, make_predictor
from pipelines.explanation.case import Case
from pipelines.explanation.groups import Matrix, rows_predictor, to_matrix
from pipelines.explanation.local_linear import Neighbours, explain_locally
from pipelines.explanation.network_parts import randomised
from pipelines.explanation.permutation import Exam, permutation_importance
from pipelines.explanation.sanity import rank_correlation
from pipelines.explanation.shapley import Shares, shapley_values
from pipelines.explanation.telling_rows import telling_rows
from pipelines.explanation.values import say_value
from schemas.target import Target

_RANDOM_REPEATS = 1


@dataclass(frozen=True, slots=True)
class TableSizes:
    """How much is computed: repeats of a permutation; rows of each kind of Shapley; neighbours."""

    repeats: int
    shap_rows: int
    background: int
    neighbours: int


def permute(case: Case, sizes: TableSizes) -> dict[str, Any]:
    """Give permutation importance, and that of the same network with its weights shuffled."""
    figure = kinds.figure_of(case.features.target)
    exam = _exam(case, case.predict)
    base, found = permutation_importance(exam, case.groups, sizes.repeats, case.seed)
    _, origins = permutation_importance(exam, case.origins, sizes.repeats, case.seed)
    blind = make_predictor(randomised(case.network, case.seed), case.features.target)
    base_blind, found_blind = permutation_importance(
        _exam(case, blind), case.groups, _RANDOM_REPEATS, case.seed
    )
    members = {group.name: list(group.features) for group in (*case.groups, *case.origins)}
    own, other = ({item.name: item.mean for item in some} for some in (found, found_blind))
    pairs = np.array([[own[name], other[name]] for name in own])
    return {
        "figure": asdict(figure),
        "base": base,
        "repeats": sizes.repeats,
        "columns": [asdict(item) | {"features": members[item.name]} for item in found],
        "origins": [asdict(item) | {"features": members[item.name]} for item in origins],
        "randomised": {"base": base_blind, "correlation": rank_correlation(*pairs.T)},
    }


def share_out(case: Case, sizes: TableSizes) -> dict[str, Any]:
    """Give the mean size of Shapley values over a sample of rows, by group."""
    rows = to_matrix(case.arrays, case.features)
    background = _background(case, rows, sizes)
    chosen = np.random.default_rng(case.seed).permutation(len(rows))[: sizes.shap_rows]
    shares = [_shares(case, rows, background, int(place)) for place in chosen]
    values = np.array([item.values for item in shares])
    order = np.argsort(-np.abs(values).mean(axis=0), kind="stable")
    misses = [item.base + item.values.sum() - item.said for item in shares]
    columns = [
        {
            "name": case.groups[place].name,
            "mean_size": float(np.abs(values[:, place]).mean()),
            "rises": _rises(case, rows[chosen], values, int(place)),
        }
        for place in order
    ]
    return {
        "of": say_output(case),
        "rows": len(chosen),
        "background": sizes.background,
        "base": float(np.mean([item.base for item in shares])),
        "miss": float(np.max(np.abs(misses))),
        "columns": columns,
    }


def explain_rows(case: Case, sizes: TableSizes, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Give a few telling rows, with each group's value and what it adds, by each method asked."""
    rows = to_matrix(case.arrays, case.features)
    background = _background(case, rows, sizes)
    found: list[dict[str, Any]] = []
    for why, place in telling_rows(case):
        parts: dict[str, Any] = {}
        sizes_shown = np.zeros(len(case.groups))
        if "lime" in methods:
            say = _say_output(case, int(case.called[place]))
            near = Neighbours(sizes.neighbours, case.seed)
            local = explain_locally(rows[place], background, case.groups, say, near)
            parts |= {"lime": local.weights, "lime_fit": local.fit}
            sizes_shown = np.abs(local.weights)
        if "shap" in methods:
            shares = _shares(case, rows, background, place)
            parts |= {"shap": shares.values, "base": shares.base, "errors": shares.errors}
            sizes_shown = np.abs(shares.values)
        order = np.argsort(-sizes_shown, kind="stable")
        found.append({"why": why, **case.describe(place), **_row_of(case, place, parts, order)})
    return found


def say_output(case: Case) -> str:
    """Name what is shared out."""
    target = case.features.target
    if target.kind == "binary":
        return f"probability of {case.features.label} = 1"
    return "probability of the class called" if target.kind == "classes" else case.number


def figure_function(target: Target) -> Callable[[Any, Any], float]:
    """Give the figure by which models of such a label are compared, of labels and what is said."""
    if target.kind == "binary":
        return metrics.roc_auc
    if target.kind == "number":
        return number_metrics.rmse
    return lambda label, said: class_metrics.macro_f1(
        class_metrics.confusion_matrix(label, said.argmax(axis=1), target.width)
    )


def _exam(case: Case, predict: Predictor) -> Exam:
    target = case.features.target
    return Exam(
        to_matrix(case.arrays, case.features),
        case.arrays.label,
        rows_predictor(predict, case.arrays, case.features),
        figure_function(target),
        kinds.figure_of(target).is_lower_better,
        target.kind != "number",
    )


def _say_output(case: Case, called: int) -> Callable[[Matrix], npt.NDArray[np.float64]]:
    say = rows_predictor(case.predict, case.arrays, case.features)
    if case.features.target.kind != "classes":
        return say
    return lambda rows: say(rows)[:, called]


def _shares(case: Case, rows: Matrix, background: Matrix, place: int) -> Shares:
    say = _say_output(case, int(case.called[place]))
    return shapley_values(rows[place], background, case.groups, say, case.seed + place)


def _background(case: Case, rows: Matrix, sizes: TableSizes) -> Matrix:
    # the same for each row, so that all have one base
    random = np.random.default_rng([case.seed, 1])
    return rows[random.permutation(len(rows))[: sizes.background]]


def _rises(case: Case, rows: Matrix, values: npt.NDArray[np.float64], place: int) -> float | None:
    """Spearman's rank correlation of a number with what it adds; None if it is no number."""
    group, numeric = case.groups[place], case.features.numeric
    plain = [
        at
        for name, at in zip(group.features, group.places, strict=True)
        if name in numeric and name.endswith(("_num", "_log")) and "_was_missing" not in name
    ]
    is_hidden = any(case.is_personal(name) for name in group.features)
    if not plain or is_hidden or case.features.target.kind == "classes":
        return None
    return rank_correlation(rows[:, plain[0]], values[:, place])


def _row_of(
    case: Case, place: int, parts: dict[str, Any], order: npt.NDArray[np.int64]
) -> dict[str, Any]:
    columns = [
        {"name": case.groups[at].name, "value": say_value(case, case.groups[at], place)}
        | {name: float(parts[name][at]) for name in ("shap", "errors", "lime") if name in parts}
        for at in order
    ]
    whole = {name: float(parts[name]) for name in ("base", "lime_fit") if name in parts}
    return {**whole, "columns": columns}
