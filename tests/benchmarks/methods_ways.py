"""What ``methods`` compares: families of ways to train, as data.

What a way does not name is at the default of ``jobs/train.py``. A way with several rates takes the
best of them; the others keep the rate at which AdamW does best on flights.
"""

from dataclasses import dataclass, field
from typing import Any

from pipelines.training.method import ACTIVATIONS, BALANCED, SCHEDULES
from schemas.target import LabelKind

_ADAMW: dict[str, Any] = {"optimizer": "adamw", "schedule": "cosine"}
_ADAMW_RATE = 5e-4
_ADAM_RATES, _SGD_RATES, _MOMENTUM_RATES = (1e-4, 5e-4, 2e-3), (0.3, 1.0, 3.0), (0.1, 0.3, 1.0)
_LAMB_RATES = (0.003, 0.01, 0.03)
_RATES = {
    # one update an epoch
    "gradient-descent": (1.0, 3.0, 10.0),
    "sgd": _SGD_RATES,
    "momentum": _MOMENTUM_RATES,
    "nesterov": _MOMENTUM_RATES,
    "adagrad": (0.01, 0.03, 0.1),
    "rmsprop": _ADAM_RATES,
    "adam": _ADAM_RATES,
    "adamw": _ADAM_RATES,
    "lamb": _LAMB_RATES,
}
# rows of a step, and what the rates are then multiplied by: about the root of their ratio to 1,536
_LARGE_BATCHES = {6_144: 2, 24_576: 4}
_CURVE = ("lowest", "after a quarter", "at the end", "training, at the end", "CPU s a pass")
_BY_HEART = ("lowest", "pass of the lowest", "at the end", "training, at the end", "passes")


@dataclass(frozen=True, slots=True)
class Way:
    """Flags of ``jobs/train.py``, and the rates to choose from."""

    name: str
    flags: dict[str, Any]
    rates: tuple[float, ...] = (_ADAMW_RATE,)


@dataclass(frozen=True, slots=True)
class Family:
    """Ways that differ in one thing.

    Args:
        title: Of its part of the page.
        says: What is alike in all of them.
        ways: In the order of the table.
        charts: Names of ways by title; each is drawn once more where it belongs to several.
        columns: Of the table, see ``methods_table``.
        is_few: Whether it is trained on few rows, by ``--few`` and ``--few-epochs``.
        is_scored: Whether the table shows the figures of the best epoch's network.
    """

    title: str
    says: str
    ways: tuple[Way, ...]
    charts: dict[str, tuple[str, ...]]
    columns: tuple[str, ...] = _CURVE
    is_few: bool = False
    is_scored: bool = False
    flags: dict[str, Any] = field(default_factory=dict[str, Any])


def families_of(kind: LabelKind) -> dict[str, Family]:
    """Give the families that mean something with a label of ``kind``, by name."""
    return {
        "optimizers": _optimizers(),
        "schedules": _schedules(),
        "losses": _losses(kind),
        "activations": _activations(),
        "regularisation": _regularisation(kind),
    }


def _optimizers() -> Family:
    small = [
        Way(name, {"optimizer": name, "schedule": "constant"}, rates)
        for name, rates in _RATES.items()
    ]
    large = [
        Way(
            f"{name}, batch {batch:,}",
            {"optimizer": name, "schedule": "constant", "global_batch_size": batch},
            tuple(rate * times for rate in _RATES[name]),
        )
        for batch, times in _LARGE_BATCHES.items()
        for name in ("adamw", "lamb")
    ]
    # one update an epoch is far above all others
    drawn = tuple(way.name for way in small if way.name != "gradient-descent")
    beside = ("adamw", "lamb", *(way.name for way in large))
    return Family(
        "Optimizers",
        "A constant rate after half a pass of warm-up. gradient-descent, which makes one update a "
        "pass, is left out of the picture: it is far above the others.",
        (*small, *large),
        {"Optimizers": drawn, "LAMB beside AdamW, as batches grow": beside},
    )


def _schedules() -> Family:
    said = (("SGD", "sgd", _SGD_RATES), ("Adam", "adam", _ADAM_RATES))
    ways = {
        words: [
            Way(f"{words}, {schedule}", {"optimizer": name, "schedule": schedule}, rates)
            for schedule in SCHEDULES
        ]
        for words, name, rates in said
    }
    momentum = {"optimizer": "momentum", "schedule": "constant"}
    beside = Way("momentum, constant", momentum, _MOMENTUM_RATES)
    plain = ("SGD, constant", "SGD, dynamic", beside.name, "Adam, constant", "Adam, dynamic")
    return Family(
        "Schedules",
        "step and plateau halve the rate after two passes, plateau after two without a better "
        "validation loss; dynamic follows the training loss.",
        (*ways["SGD"], *ways["Adam"], beside),
        {f"Schedules with {words}": tuple(w.name for w in ways[words]) for words in ways}
        | {"The dynamic rate beside plain SGD, momentum and Adam": plain},
    )


def _losses(kind: LabelKind) -> Family:
    losses: dict[str, dict[str, Any]] = {
        "cross-entropy": {"loss": "cross-entropy"},
        "mse": {"loss": "mse"},
        "focal, gamma 1": {"loss": "focal", "focal_gamma": 1.0},
        "focal, gamma 2": {"loss": "focal", "focal_gamma": 2.0},
    }
    if kind == "number":
        losses = {name: {"loss": name} for name in ("mse", "mae", "huber")}
    ways = [Way(name, _ADAMW | flags) for name, flags in losses.items()]
    if kind != "number":
        ways += [
            Way(f"{way.name}, balanced", way.flags | {"class_weights": (BALANCED,)}) for way in ways
        ]
    return Family(
        "Losses",
        f"AdamW, cosine, rate {_ADAMW_RATE:g}. Figures of the epoch with the lowest validation "
        "loss of the loss that was trained, on the whole validation split; decisions at 0.5. Focal "
        "loss and class weights bend the probabilities by design.",
        tuple(ways),
        {},
        columns=(),
        is_scored=True,
    )


def _activations() -> Family:
    ways = tuple(Way(name, _ADAMW | {"activation": name}) for name in ACTIVATIONS)
    return Family(
        "Activations",
        f"AdamW, cosine, rate {_ADAMW_RATE:g}.",
        ways,
        {"Activations": tuple(way.name for way in ways)},
    )


def _regularisation(kind: LabelKind) -> Family:
    ways = [
        Way("none", {}),
        *(Way(f"L1 {strength:g}", {"l1": strength}) for strength in (1e-5, 1e-4)),
        *(Way(f"L2 {strength:g}", {"l2": strength}) for strength in (1e-4, 1e-3)),
        *(Way(f"dropout {share:g}", {"dropout": share}) for share in (0.2, 0.5)),
        *(Way(f"label smoothing {s:g}", {"label_smoothing": s}) for s in (0.05, 0.2)),
        *(Way(f"clip-norm {norm:g}", {"clip_norm": norm}) for norm in (0.1, 1.0)),
        *(Way(f"clip-value {value:g}", {"clip_value": value}) for value in (0.001, 0.01)),
        *(Way(f"patience {epochs}", {"patience": epochs}) for epochs in (2, 5)),
    ]
    if kind == "number":
        ways = [way for way in ways if "label_smoothing" not in way.flags]
    drawn = tuple(way.name for way in ways)
    penalties = tuple(name for name in drawn if name.split()[0] in ("none", "L1", "L2", "dropout"))
    others = ("none", *(name for name in drawn if name not in penalties))
    return Family(
        "Regularisation",
        f"Few rows, a wide network, Adam at a constant rate of {_ADAMW_RATE:g}, neither dropout "
        "nor weight decay, so that it learns the rows by heart. The training loss is that with "
        "dropout and with smoothed labels.",
        tuple(ways),
        {"Penalties and dropout": penalties, "Smoothing, clipping and early stopping": others},
        columns=_BY_HEART,
        is_few=True,
        flags={
            "optimizer": "adam", "schedule": "constant", "hidden": (512, 256), "dropout": 0.0,
            "global_batch_size": 384,
        },
    )  # fmt: skip
