from typing import Any

import numpy as np
import pytest

from pipelines.explanation.sanity import mean_rank_correlation


def test_maps_of_like_order_agree_whatever_their_sign_and_padding_counts_nowhere() -> None:
    one: Any = np.array([[1.0, -2, 3, 0, 0], [3.0, 2, 1, 0.5, 0]])
    assert mean_rank_correlation(one, -5 * one) == pytest.approx(1)
    reverse = np.array([[3.0, 2, 1, 9, 9], [1.0, 2, 3, 4, 9]])
    assert mean_rank_correlation(one, reverse) == pytest.approx(-1)


def test_a_flat_map_has_no_order() -> None:
    assert mean_rank_correlation(np.ones((2, 3)), np.ones((2, 3))) is None
