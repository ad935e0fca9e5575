import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.explanation.groups import Group
from pipelines.explanation.permutation import Exam, permutation_importance, too_few
from tests.pipelines.explanation.planted import (
    GROUPS,
    PLANTED,
    Array,
    exam_of,
    logistic,
    planted_rows,
)


def test_a_planted_column_comes_out_on_top_and_what_counts_for_nothing_is_exactly_nothing() -> None:
    base, found = permutation_importance(exam_of(logistic([0.1, 0, 2, 0])), GROUPS, 5, 1)
    assert base > 0.95
    assert found[0].name == "c"
    # without the column it is chance
    assert found[0].mean == pytest.approx(base - 0.5, abs=0.06)
    assert found[0].low > 0.3
    assert {item.name: item.mean for item in found}["b"] == 0
    assert {item.name: item.high for item in found}["d"] < 1e-12


def test_a_model_that_does_not_read_the_planted_column_does_not_single_it_out() -> None:
    base, found = permutation_importance(exam_of(logistic([1, 1, 0, 1])), GROUPS, 5, 1)
    assert base == pytest.approx(0.5, abs=0.1)
    by_name = {item.name: item for item in found}
    assert by_name["c"].mean == 0
    assert max(abs(item.mean) for item in found) < 0.1


def test_columns_of_one_group_are_permuted_alike() -> None:
    # the model looks at how two copies differ: alike they never do, one by one they would
    values, label = planted_rows(200, 3)
    values[:, 3] = values[:, 2]
    seen: list[Array] = []

    def say(rows: Array) -> Array:
        seen.append(rows[:, 3] - rows[:, 2])
        return rows[:, 0]

    pair = Group("pair", ("c_num", "d_num"), (2, 3))
    exam = Exam(values, label, say, lambda _, said: float(said.sum()))
    permutation_importance(exam, [pair], 3, 1)
    assert not any(part.any() for part in seen)


def test_a_figure_that_falls_as_it_gets_better_gives_a_rise_as_importance() -> None:
    values, _ = planted_rows(300, 2)

    def rmse(label: Array, said: Array) -> float:
        return float(np.sqrt(np.mean((label - said) ** 2)))

    exam = Exam(values, values[:, 1], lambda rows: rows[:, 1], rmse, True, False)
    base, found = permutation_importance(exam, GROUPS, 4, 1)
    assert base == 0
    assert found[0].name == "b"
    # two independent draws of one distribution differ by the root of two deviations
    assert found[0].mean == pytest.approx(np.sqrt(2) * values[:, 1].std(), rel=0.1)


def test_the_interval_is_that_of_other_samples_of_rows() -> None:
    # 95% intervals of 40 samples hold the value of a very large one, and are not wide for nothing
    say = logistic([0.3, 0, 1, 0])
    only = [GROUPS[PLANTED]]
    actual = permutation_importance(exam_of(say, 40_000, 99), only, 1, 1)[1][0].mean
    held = 0
    for seed in range(40):
        (own,) = permutation_importance(exam_of(say, 300, seed), only, 5, seed)[1]
        held += own.low <= actual <= own.high
        assert own.high - own.low < 0.3
    assert held >= 35


def test_the_same_seed_gives_the_same_figures_and_another_does_not() -> None:
    exam = exam_of(logistic([0.1, 0, 2, 0]))
    first = permutation_importance(exam, GROUPS, 3, 1)
    assert permutation_importance(exam, GROUPS, 3, 1) == first
    assert permutation_importance(exam, GROUPS, 3, 2) != first


def test_the_parts_that_give_the_interval_have_as_many_rows_of_each_class() -> None:
    seen: list[tuple[int, int]] = []

    def count(label: Array, said: Array) -> float:
        del said
        seen.append((len(label), int(label.sum())))
        return 0.0

    values, label = planted_rows(403, 1)
    exam = Exam(values, label, logistic([0, 0, 1, 0]), count)
    permutation_importance(exam, GROUPS[:1], 1, 1)
    (whole, ones), *others = seen[:21]
    assert (whole, ones) == (403, label.sum())
    assert {whole - rows for rows, _ in others} == {20, 21}
    assert max(rest for _, rest in others) - min(rest for _, rest in others) <= 1
    assert sum(ones - rest for _, rest in others) == ones


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ([0, 1] * 20, ""),
        ([0, 1] * 19, "expected at least 40 rows; got 38"),
        ([0] * 36 + [1] * 4, "expected at least 5 rows of two classes; got 36 of 0, 4 of 1"),
        ([0] * 30 + [1] * 9 + [2], ""),
        ([1] * 50, "expected at least 5 rows of two classes; got 50 of 1"),
    ],
)
def test_rows_that_tell_nothing_are_said(label: list[int], words: str) -> None:
    assert too_few(np.array(label), is_class=True) == words


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least 40 rows; got 39"):
        permutation_importance(exam_of(logistic([0, 0, 1, 0]), 39), GROUPS, 5, 1)
