"""Say in one plain sentence or two who won; a person reads it before any table."""

from typing import Any

from pipelines.evaluation.baselines import LOGISTIC, TREES
from pipelines.evaluation.measure import NETWORK


def trees_win(models: dict[str, dict[str, Any]]) -> bool:
    """True if gradient-boosted trees have the greater ROC AUC on the test split."""
    return bool(models[TREES]["roc_auc"] > models[NETWORK]["roc_auc"])


def say_verdict(models: dict[str, dict[str, Any]], interval: tuple[float, float]) -> str:
    """Compare the network with the baselines by ROC AUC.

    Args:
        models: Figures by predictor, as ``measure`` gives them.
        interval: The network's 95% interval of ROC AUC.
    """
    network, logistic = models[NETWORK]["roc_auc"], models[LOGISTIC]["roc_auc"]
    low, high = interval
    said = [f"The network's ROC AUC is {network:.3f} (95% interval {low:.3f} to {high:.3f})."]
    if logistic >= network:
        said.append(f"It does not pass logistic regression, {logistic:.3f}.")
    else:
        said.append(f"It passes logistic regression, {logistic:.3f}.")
    said.append(_about_trees(models, interval))
    return " ".join(said)


def _about_trees(models: dict[str, dict[str, Any]], interval: tuple[float, float]) -> str:
    trees = models[TREES]["roc_auc"]
    is_close = interval[0] <= trees <= interval[1]
    close = ", a difference within the network's interval" if is_close else ""
    if trees_win(models):
        return (
            f"Gradient-boosted trees win with {trees:.3f}{close}: on these features they are the "
            "better choice unless the network is needed for another reason."
        )
    return f"Gradient-boosted trees reach {trees:.3f}{close}."
