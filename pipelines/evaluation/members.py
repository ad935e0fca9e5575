"""The members of an ensemble beside it, and its figures on rows that its weights were fitted on."""

import io
from typing import Any

import numpy as np

from pipelines.errors import ParameterError
from pipelines.evaluation.combination import NUM_FOLDS, Floats
from pipelines.evaluation.predict import Predictor, open_predictor
from pipelines.state import bytes_digest
from pipelines.step import StepResult
from pipelines.storage.place import place
from schemas.encode import FeatureSet

STEP = "ensemble"
VALIDATION_RULE = (
    "the ensemble is fitted on the validation split, so its validation figures are cross-fitted: "
    f"what is said of a row comes from a fit on the other {NUM_FOLDS - 1} of {NUM_FOLDS} folds of "
    "it, drawn at random; its members' are plain"
)


def member_name(number: int) -> str:
    """Name a member among the predictors, counted from 1."""
    return f"member_{number}"


def open_members(maker: StepResult | None, features: FeatureSet) -> dict[str, Predictor]:
    """Give the members of the ensemble that ``maker`` made, by name; of another model none."""
    if maker is None or maker.step != STEP:
        return {}
    return {
        member_name(number): open_predictor(
            member["model"], member["model_sha256"], features.target
        )
        for number, member in enumerate(maker.details["members"], 1)
    }


def cross_fitted_scores(maker: StepResult | None, num_rows: int) -> Floats | None:
    """Give what an ensemble says of the validation rows by fits on others of them, in their order.

    Raises:
        ParameterError: The file is gone, was changed, or is of another number of rows.
    """
    if maker is None or maker.step != STEP:
        return None
    path, expected = place(maker.files["validation"]), maker.details["validation_sha256"]
    content = path.read_bytes() if path.is_file() else b""
    came = bytes_digest(content)
    if came != expected:
        raise ParameterError(
            f"{path}: expected what the ensemble said of the validation rows, SHA-256 "
            f"{expected[:12]}; got {came[:12] if content else 'no file'}. Delete it and run "
            "ensemble again"
        )
    said: Floats = np.load(io.BytesIO(content), allow_pickle=False)
    if len(said) != num_rows:
        raise ParameterError(
            f"{path}: expected scores of {num_rows} validation rows; got {len(said)}. The ensemble "
            "was made of another table: give the one it was made of, or run ensemble again"
        )
    return said


def describe_ensemble(maker: StepResult | None) -> dict[str, Any]:
    """Give what stands beside the figures of an ensemble: how it was made, of whom."""
    if maker is None or maker.step != STEP:
        return {}
    said = {name: maker.details[name] for name in ("method", "members")}
    rule = VALIDATION_RULE if maker.details["method"] != "average" else ""
    return {"ensemble": said | {"validation_rule": rule}}
