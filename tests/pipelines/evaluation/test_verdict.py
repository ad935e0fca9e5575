import pytest

from pipelines.evaluation.verdict import say_verdict, trees_win


def _models(network: float, logistic: float, trees: float) -> dict[str, dict[str, float]]:
    return {
        "network": {"roc_auc": network},
        "logistic_regression": {"roc_auc": logistic},
        "gradient_boosted_trees": {"roc_auc": trees},
    }


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        ((0.70, 0.65, 0.60), "passes logistic regression, 0.650. Gradient-boosted trees reach"),
        ((0.70, 0.65, 0.75), "Gradient-boosted trees win with 0.750: on these features they are"),
        ((0.70, 0.65, 0.705), "win with 0.705, a difference within the network's interval"),
        ((0.70, 0.71, 0.60), "does not pass logistic regression, 0.710"),
    ],
)
def test_the_verdict_says_who_won(areas: tuple[float, float, float], expected: str) -> None:
    assert expected in say_verdict(_models(*areas), (0.69, 0.71))


def test_equal_areas_are_no_win_for_the_trees() -> None:
    assert not trees_win(_models(0.7, 0.6, 0.7))
    assert trees_win(_models(0.7, 0.6, 0.7001))
