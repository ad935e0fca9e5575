"""Moments joined from parts are those of the whole."""

import numpy as np
import pytest

from pipelines.transforms.moments import Moments, measure, merge_all


def test_parts_give_the_moments_of_the_whole() -> None:
    values = np.random.default_rng(1).normal(1e6, 2.0, 10_000)
    parts = [measure(part) for part in np.array_split(values, 7)]
    found = merge_all(parts)
    assert found.num == 10_000
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    # a plain sum of squares less the squared mean keeps four digits of this one
    assert found.deviation == pytest.approx(values.std(), rel=1e-9)
    assert (found.low, found.high) == (values.min(), values.max())


def test_the_order_of_the_parts_does_not_show() -> None:
    values = np.random.default_rng(2).normal(0.1, 3.0, 1_000)
    parts = [measure(part) for part in np.array_split(values, 9)]
    assert merge_all(parts) == merge_all(parts[::-1])


def test_what_is_no_finite_number_is_left_out() -> None:
    found = measure(np.array([1.0, np.nan, np.inf, 3.0, -np.inf]))
    assert found == Moments(2, 2.0, 2.0, 1.0, 3.0)
    assert merge_all([measure(np.array([np.nan])), Moments()]) == Moments()
