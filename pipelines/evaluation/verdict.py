"""Say in one plain sentence or two who won; a person reads it before any table."""

from dataclasses import dataclass
from typing import Any

from pipelines.evaluation.baselines import LOGISTIC, TREES
from pipelines.evaluation.measure import NETWORK

_LARGE = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """The one by which models are compared, and the name of the linear model beside the network."""

    name: str
    words: str
    is_lower_better: bool = False
    unit: str = ""
    linear: str = LOGISTIC

    def is_better(self, one: float, other: float) -> bool:
        """Whether the first is better than the second."""
        return one < other if self.is_lower_better else one > other

    def say(self, value: float) -> str:
        """Give the value as people read it, without its unit."""
        return f"{value:.3f}" if abs(value) < _LARGE else f"{value:,.4g}"


ROC_AUC = Figure("roc_auc", "ROC AUC")


def trees_win(models: dict[str, dict[str, Any]], figure: Figure = ROC_AUC) -> bool:
    """True if gradient-boosted trees have the better figure on the test split."""
    return figure.is_better(models[TREES][figure.name], models[NETWORK][figure.name])


def say_verdict(
    models: dict[str, dict[str, Any]], interval: tuple[float, float], figure: Figure = ROC_AUC
) -> str:
    """Compare the network with the baselines.

    Args:
        models: Figures by predictor, as ``measure`` gives them.
        interval: The network's 95% interval of ``figure``.
        figure: What is compared.
    """
    network, linear = models[NETWORK][figure.name], models[figure.linear][figure.name]
    low, high = map(figure.say, interval)
    unit = f" {figure.unit}" if figure.unit else ""
    said = [f"The network's {figure.words} is {figure.say(network)}{unit}"]
    said[0] += f" (95% interval {low} to {high})."
    passes = "It passes" if figure.is_better(network, linear) else "It does not pass"
    said.append(f"{passes} {figure.linear.replace('_', ' ')}, {figure.say(linear)}.")
    said.append(_about_trees(models, interval, figure))
    return " ".join(said)


def _about_trees(
    models: dict[str, dict[str, Any]], interval: tuple[float, float], figure: Figure
) -> str:
    trees = models[TREES][figure.name]
    is_close = interval[0] <= trees <= interval[1]
    close = ", a difference within the network's interval" if is_close else ""
    if trees_win(models, figure):
        return (
            f"Gradient-boosted trees win with {figure.say(trees)}{close}: on these features they "
            "are the better choice unless the network is needed for another reason."
        )
    return f"Gradient-boosted trees reach {figure.say(trees)}{close}."
