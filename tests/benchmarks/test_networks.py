"""The arithmetic of the table of networks, and what stands for a network of its own flags."""

import numpy as np
import pytest

from pipelines.evaluation.measure import NETWORK, Scores
from schemas.target import BINARY, Target
from tests.benchmarks.networks import Measured, figures_of, own_flags, table_of

_COST = {"weights": 1234, "file": 5400, "epochs": 4, "seconds": 10.0, "processor_s": 16.0}


def _scores(split: str, label: list[int], said: list[float] | list[list[float]]) -> Scores:
    return Scores(split, np.array(label), {NETWORK: np.array(said)})


def test_a_network_may_bring_flags_of_its_own() -> None:
    assert own_flags("text-cnn") == {"network": "text-cnn"}
    assert own_flags("lstm --max-tokens 200 --hidden 64 32") == {
        "network": "lstm",
        "max_tokens": 200,
        "hidden": (64, 32),
    }


def test_the_threshold_of_a_label_of_0_or_1_is_the_validation_splits() -> None:
    # the best threshold of validation is 0.3; of test, which must not count, it is 0.9
    validation = _scores("validation", [0, 1, 1], [0.2, 0.3, 0.8])
    test = _scores("test", [0, 0, 1, 1], [0.1, 0.4, 0.9, 0.95])
    assert figures_of(BINARY, validation, test) == {"accuracy": 0.75, "f1": 0.8, "roc_auc": 1.0}


def test_classes_are_measured_by_accuracy_and_macro_f1() -> None:
    target = Target("classes", ("a", "b"))
    validation = _scores("validation", [0, 1], [[1, 0], [0, 1]])
    test = _scores("test", [0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9]])
    # F1 of a: 2 / 3, of b: 4 / 5
    found = figures_of(target, validation, test)
    assert found == pytest.approx({"accuracy": 0.75, "macro_f1": 11 / 15})


def test_a_line_gives_the_mean_and_the_range_of_the_seeds() -> None:
    one: Measured = {"accuracy": 0.8, "f1": 0.7, "roc_auc": 0.9, "best_epoch": 2, **_COST}
    two = one | {"accuracy": 0.9, "best_epoch": 4, "seconds": 30.0, "processor_s": 20.0}
    head, _, both, alone = table_of({"bag": [one, two], "lstm": [one]}, BINARY).splitlines()
    assert head == (
        "| | accuracy | F1 | ROC AUC | weights | file, kB | epochs (best) | processor s | seconds |"
    )
    assert both == (
        "| `bag` | 0.850 (0.800 to 0.900) | 0.700 (0.700 to 0.700) | 0.900 (0.900 to 0.900) "
        "| 1,234 | 5 | 4 (2), 4 (4) | 18 | 20 |"
    )
    assert alone == "| `lstm` | 0.800 | 0.700 | 0.900 | 1,234 | 5 | 4 (2) | 16 | 10 |"
