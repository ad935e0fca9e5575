"""Cases of the planted networks."""

from dataclasses import replace
from typing import Any

from pipelines.evaluation.predict import make_predictor
from pipelines.explanation.case import Case
from pipelines.explanation.groups import Group
from pipelines.reporting.feature_names import Meaning
from tests.pipelines.explanation.networks import (
    PHOTOS,
    TEXTS,
    learned_photos,
    learned_texts,
    photos,
    texts,
)

WORDS = tuple(f"w{code}" for code in range(2, 20))


def text_case(rows: int = 40) -> Case:
    """Texts, and the bag that has learned the planted word."""
    return _case(learned_texts(), texts(rows, 11), TEXTS)


def photo_case(rows: int = 40) -> Case:
    """Images, and the network that has learned the planted patch."""
    return _case(learned_photos(), photos(rows, 12), PHOTOS)


def personal(case: Case, feature: str) -> Case:
    """The same case, where a feature is personal."""
    return replace(case, meanings={feature: Meaning(feature, is_personal=True)})


def _case(network: Any, arrays: Any, features: Any) -> Case:
    predict = make_predictor(network, features.target)
    (name,) = features.columns
    return Case(
        arrays, [{"id": str(row)} for row in range(len(arrays))], features,
        (Group(name, (name,), (0,)),), (), predict, network, predict(arrays), {},
        {"text_tokens": WORDS}, 0.5, 1,
    )  # fmt: skip
