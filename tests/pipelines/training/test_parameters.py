"""What the flags of a training refuse, and what becomes of them."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import parse_params, to_flags
from pipelines.errors import ParameterError
from pipelines.training.method import Method
from pipelines.training.objective import LOG_LOSS, Objective
from pipelines.training.parameters import TrainParams
from pipelines.training.settings import LoopSettings
from schemas.target import BINARY, Target


def _params(**changes: Any) -> TrainParams:
    return TrainParams("toy", "lake/features@v0", "state.json", **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "sdg"}, "--optimizer to be one of gradient-descent, sgd, .*; got sdg"),
        ({"schedule": "cos"}, "--schedule to be one of constant, step, .*; got cos"),
        ({"loss": "hinge"}, "--loss to be one of cross-entropy, mse, focal, mae, huber; got"),
        ({"activation": "swish2"}, "--activation to be one of relu, gelu, .*; got swish2"),
        ({"optimizer": "momentum", "momentum": 1.5}, "--momentum from 0 to 0.9999; got 1.5"),
        ({"momentum": 0.5}, "--momentum counts only with --optimizer momentum or nesterov"),
        (
            {"optimizer": "sgd", "weight_decay": 0.1},
            "--weight-decay counts only with --optimizer adamw or lamb; got --optimizer sgd",
        ),
        ({"focal_gamma": 1.0}, "--focal-gamma counts only with --loss focal"),
        ({"decay_factor": 0.1}, "--decay-factor counts only with --schedule step or plateau"),
        ({"window_steps": 5}, "--window-steps counts only with --schedule dynamic"),
        ({"clip_norm": 1.0, "clip_value": 1.0}, "--clip-norm or --clip-value; got both"),
        ({"clip_norm": -1.0}, "--clip-norm from 0"),
        ({"label_smoothing": 1.0}, "--label-smoothing from 0 to 0.9999"),
        ({"l2": -0.1}, "--l2 from 0"),
        ({"schedule": "plateau", "decay_epochs": 3}, "--decay-epochs below --patience 3"),
        ({"focal_gamma": 1.0, "loss": "mae"}, "--focal-gamma counts only with --loss focal"),
        ({"huber_delta": 0.5}, "--huber-delta counts only with --loss huber"),
        ({"prune_to": 1.0}, "--prune-to from 0 to 0.999; got 1.0"),
        ({"prune_until": 0.5}, "--prune-until counts only with --prune-to"),
        ({"prune_by": "global"}, "--prune-by counts only with --prune-to"),
        ({"prune_to": 0.5, "prune_by": "unit"}, "--prune-by to be one of layer, global; got unit"),
        ({"distill_weight": 0.9}, "--distill-weight counts only with --teacher"),
        ({"distill_temperature": 9.0}, "--distill-temperature counts only with --teacher"),
        ({"teacher": "m.keras", "distill_weight": 0.0}, "--distill-weight above 0 with --teacher"),
        ({"class_weights": ("balance",)}, "'balanced', or numbers above 0, .*; got balance"),
        ({"class_weights": ("1", "0")}, "numbers above 0"),
        ({"class_weights": ("1", "nan")}, "numbers above 0"),
        (
            {"class_weights": ("balanced",), "mix": ("lake/old@v0=0.2",)},
            "numbers for --class-weights with --mix",
        ),
    ],
)
def test_a_method_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        _params(**changes)


_COLOURS = Target("classes", ("red", "green", "blue"))
_SPEED = Target("number", unit="mph", mean=50.0, deviation=8.0)


@pytest.mark.parametrize(
    ("target", "changes", "message"),
    [
        (BINARY, {"loss": "mae"}, "--loss to be one of cross-entropy, mse, focal, since the label"),
        (_COLOURS, {"loss": "huber"}, "since the label is one of 3 classes; got huber"),
        (_SPEED, {"loss": "focal"}, "one of mse, mae, huber, since the label is a number"),
        (_SPEED, {"class_weights": ("balanced",)}, "--class-weights counts only with classes"),
        (_SPEED, {"label_smoothing": 0.1}, "--label-smoothing counts only with classes"),
        (
            _SPEED,
            {"teacher": "m.keras", "distill_temperature": 4.0},
            "--distill-temperature counts only with classes",
        ),
        (_COLOURS, {"loss": "focal", "focal_alpha": 0.5}, "--focal-alpha counts only with a label"),
        (_COLOURS, {"class_weights": ("1", "2")}, "'balanced', or 3 numbers, since the label"),
        (BINARY, {"class_weights": ("1",)}, "'balanced', or 2 numbers, since the label is 0 or 1"),
    ],
)
def test_a_flag_that_counts_for_nothing_with_the_label_is_refused(
    target: Target, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        LoopSettings.of(_params(**changes), Path("folder"), (), target)


def test_each_kind_of_label_has_a_loss_of_its_own() -> None:
    losses = [
        LoopSettings.of(_params(), Path("folder"), (), target).objective.loss
        for target in (BINARY, _COLOURS, _SPEED)
    ]
    assert losses == ["cross-entropy", "cross-entropy", "mse"]


def test_without_a_flag_nothing_has_changed() -> None:
    settings = LoopSettings.of(_params(), Path("folder"), ())
    assert settings.method == Method("adamw", schedule="cosine")
    assert settings.objective == LOG_LOSS
    plain = LoopSettings(Path("folder"), 10, 0.002, 0.5, 3, 0.004, 1, 1000)
    assert settings == plain


def test_every_flag_reaches_the_loop() -> None:
    said = {
        "optimizer": "nesterov",
        "momentum": 0.8,
        "schedule": "step",
        "decay_epochs": 4,
        "decay_factor": 0.2,
        "loss": "focal",
        "focal_gamma": 1.5,
        "focal_alpha": 0.4,
        "class_weights": ("0.5", "3"),
        "label_smoothing": 0.1,
        "l1": 0.01,
        "l2": 0.02,
        "clip_norm": 2.0,
    }
    params = parse_params(TrainParams, to_flags(_params(**said)))
    settings = LoopSettings.of(params, Path("folder"), ())
    assert settings.method == Method("nesterov", 0.8, "step", 4, 0.2, clip_norm=2.0)
    assert settings.objective == Objective("focal", 1.5, 0.4, 0.1, (0.5, 3.0), 0.01, 0.02)


def test_balanced_weights_come_from_the_counts_of_the_labels() -> None:
    settings = LoopSettings.of(_params(class_weights=("balanced",)), Path("folder"), (30, 10))
    assert settings.objective.class_weights == pytest.approx((2 / 3, 2.0))
