"""The figure by which trainings are compared, and which way is better: in one place."""

from collections.abc import Mapping

from pipelines.errors import ParameterError, TrainingError

LOG_LOSS = "log_loss"
# figures of a validation, and whether more is better
IS_GREATER_BETTER = {
    LOG_LOSS: False,
    "loss": False,
    "auc": True,
    "accuracy": True,
    "macro_f1": True,
    "mae": False,
    "rmse": False,
    "r2": True,
}


def check_figure(name: str) -> str:
    """Give ``name`` back.

    Raises:
        ParameterError: There is no such figure.
    """
    if name not in IS_GREATER_BETTER:
        raise ParameterError(f"expected a figure among {', '.join(IS_GREATER_BETTER)}; got {name}")
    return name


def figure_of(figures: Mapping[str, float], name: str, prefix: str = "") -> float:
    """Give one of a validation's figures.

    The log loss stands beside the loss where that is another; else it is the loss.

    >>> figure_of({"val_loss": 0.5}, "log_loss", "val_"), figure_of({"loss": 0.2}, "loss")
    (0.5, 0.2)

    Raises:
        TrainingError: There is no such figure of this kind of label.
    """
    for known in (name, "loss") if name == LOG_LOSS else (name,):
        if prefix + known in figures:
            return float(figures[prefix + known])
    names = sorted(key.removeprefix(prefix) for key in figures if key.startswith(prefix))
    raise TrainingError(f"expected the figure {name} of a validation; it has {', '.join(names)}")
