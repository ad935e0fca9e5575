"""Make one model of several that learned from the same features table.

The result is a plain network like those it is made of, so evaluate, register and score take it as
such. What is fitted is fitted on the validation split: the test split stays unseen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np

from pipelines.cli import param
from pipelines.errors import ParameterError, TrainingError
from pipelines.evaluation import kinds, measure
from pipelines.evaluation.arrays import read_batches
from pipelines.evaluation.combination import (
    METHODS,
    Combination,
    Floats,
    Mean,
    Method,
    combine,
    cross_fitted,
    fit_combination,
)
from pipelines.evaluation.joined_model import join_members
from pipelines.evaluation.members import STEP
from pipelines.evaluation.predict import make_predictor, open_network
from pipelines.evaluation.quantize import pack
from pipelines.layout import Layout
from pipelines.loading.local_copies import LocalCopies
from pipelines.loading.split_files import split_files
from pipelines.state import bytes_digest, file_digest, read_features, write_bytes, write_json
from pipelines.step import StepKey, StepResult, has_files, maker_of, once, require_trained, step_key
from pipelines.storage.place import place
from pipelines.tables.ledger_table import require_passed
from pipelines.tables.version import parse_version
from pipelines.training.parameters import PLACES
from schemas.catalog import dataset
from schemas.encode import FeatureSet

# parameters that say where a training is kept, not how it learned
_PLACES = (*PLACES, "models")


@dataclass(frozen=True, slots=True)
class EnsembleParams:
    """Make one model of several that were trained on the same features table."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    features: str = param("Features table that all were trained on, pinned like path@v3")
    state: str = param("State of engineer_features, JSON: names and order of the models' inputs")
    models: tuple[str, ...] = param("Two trained models or more, .keras files made under the root")
    method: str = param(f"How they are joined: one of {', '.join(METHODS)}", METHODS[0])
    seed: int = param("Draws the folds of the cross-fitted validation figures", 1)
    cache: str = param("folder for the local copies of remote tables", "")
    cache_mb: int = param("what the copies of all remote tables may take up, in MB", 100_000)


@dataclass(frozen=True, slots=True)
class Member:
    """A model by its path and SHA-256, and the record of the step that made it."""

    model: str
    digest: str
    made_by: StepResult


def run(params: EnsembleParams) -> StepResult:
    """Make one ensemble; a repeated run gives the recorded result.

    Raises:
        ParameterError: There are fewer than two models, one is named twice, is missing, was
            changed, was not made under this root, or learned from another table or state.
        TrainingError: The validation split is empty or has one class, or a model gives NaN.
    """
    layout = Layout(params.root, params.dataset)
    members = _members(params, layout)
    digests = [file_digest(place(params.state)), *(member.digest for member in members)]
    contract = dataset(params.dataset).fingerprint()
    how = (params.method, params.seed)
    key = step_key(STEP, layout, contract, params.features, digests, how)
    return once(key, lambda: _ensemble(params, key, members), has_files)


def _ensemble(params: EnsembleParams, key: StepKey, members: Sequence[Member]) -> StepResult:
    require_passed((params.features,))
    features = read_features(place(params.state))
    target, method = features.target, _method(params.method)
    networks = [open_network(member.model, member.digest) for member in members]
    given, label = _look(params, features, networks)
    combination = fit_combination(given, label, target, method)
    said = cross_fitted(given, label, target, method, params.seed)
    joined = join_members(networks, combination, target)
    scores = BytesIO()
    np.save(scores, said, allow_pickle=False)
    content = {"model": pack(joined), "validation": scores.getvalue()}
    details: dict[str, Any] = {
        "method": method,
        "members": _describe(members, combination),
        "validation": kinds.figures_of(target, label, said),
        "fitted": kinds.figures_of(target, label, combine(given, combination, target)),
        "members_validation": [
            kinds.figures_of(target, label, combine(given[:, [place]], Mean((1.0,)), target))
            for place in range(len(members))
        ],
        "rows": len(label),
        "num_weights": int(joined.count_params()),
        "state_sha256": file_digest(place(params.state)),
        "parameters": asdict(params),
        **{f"{name}_sha256": bytes_digest(content[name]) for name in content},
    }
    folder = key.layout.ensembles / key.fingerprint
    files = {"model": folder / "model.keras", "validation": folder / "validation.npy"}
    for name, path in files.items():
        write_bytes(path, content[name])
    write_json(folder / "ensemble.json", details)
    written = {name: str(path) for name, path in files.items()}
    written["figures"] = str(folder / "ensemble.json")
    return StepResult(STEP, params.dataset, key.fingerprint, files=written, details=details)


def _look(
    params: EnsembleParams, features: FeatureSet, networks: Sequence[Any]
) -> tuple[Floats, Any]:
    """Give what each network says of the validation rows, (rows, members, width), and labels."""
    table = parse_version(params.features)
    copies = LocalCopies(params.cache, params.cache_mb)
    files = split_files(table.path, table.version, features, copies)["validation"]
    predictors = [make_predictor(network, features.target, is_raw=True) for network in networks]
    parts: list[Any] = []
    labels: list[Any] = []
    for batch in read_batches(files, features):
        labels.append(batch.label)
        parts.append(np.stack([predict(batch) for predict in predictors], axis=1))
    label = np.concatenate(labels) if labels else np.empty(0, np.int32)
    measure.check_labels(label, "validation", features)
    given: Floats = np.concatenate(parts)
    for number, model in enumerate(params.models):
        if not np.isfinite(given[:, number]).all():
            raise TrainingError(
                f"{model} gives no finite number for some of {len(given)} validation rows. Leave "
                "it out, or train it again with a lower learning rate"
            )
    return given, label


def _describe(members: Sequence[Member], combination: Combination) -> list[dict[str, Any]]:
    """Say who the members are, and by which parameters they differ."""
    said = [_learned_by(member) for member in members]
    names = sorted({name for one in said for name in one})
    differing = [name for name in names if any(one.get(name) != said[0].get(name) for one in said)]
    weights = combination.weights if isinstance(combination, Mean) else [None] * len(members)
    return [
        {
            "model": member.model,
            "model_sha256": member.digest,
            "step": member.made_by.step,
            "training": member.made_by.fingerprint,
            "weight": weight,
            "differs": {name: one.get(name) for name in differing},
        }
        for member, one, weight in zip(members, said, weights, strict=True)
    ]


def _learned_by(member: Member) -> dict[str, Any]:
    parameters: dict[str, Any] = member.made_by.details["parameters"]
    return {name: value for name, value in parameters.items() if name not in _PLACES}


def _method(said: str) -> Method:
    for name in METHODS:
        if name == said:
            return name
    raise ParameterError(f"expected --method to be one of {', '.join(METHODS)}; got {said}")


def _members(params: EnsembleParams, layout: Layout) -> list[Member]:
    _method(params.method)
    if len(params.models) < 2:  # noqa: PLR2004
        raise ParameterError(f"--models: expected two models or more; got {len(params.models)}")
    for name, path in (("state", params.state), *(("models", path) for path in params.models)):
        if not place(path).is_file():
            raise ParameterError(f"--{name}: expected a file; found none at {path!r}")
    members = [_member(params, layout, path) for path in params.models]
    known: dict[str, str] = {}
    for member in members:
        if other := known.get(member.digest):
            raise ParameterError(
                f"--models: expected different models; {member.model} is the same as {other}"
            )
        known[member.digest] = member.model
    return members


def _member(params: EnsembleParams, layout: Layout, path: str) -> Member:
    made_by, digest = maker_of(layout, path), file_digest(place(path))
    if made_by is None:
        raise ParameterError(
            f"--models: expected models made under {params.root}, so that their records say what "
            f"they learned from; none there is of {path}. Give the path in the result of train"
        )
    require_trained(made_by, path, digest)
    learned = made_by.details.get("parameters", {})
    table = learned.get("features", "")
    if not table or str(parse_version(table)) != str(parse_version(params.features)):
        raise ParameterError(
            f"--models: expected models trained on {params.features}; {path} learned from "
            f"{table or 'an unknown table'}. Train it on this table, or leave it out"
        )
    state = place(learned["state"])
    if not state.is_file() or file_digest(state) != file_digest(place(params.state)):
        raise ParameterError(
            f"--models: expected models of the state {params.state}; {path} was trained with "
            f"{state}, which holds another one or is gone. Its inputs mean other things: leave it "
            "out"
        )
    return Member(path, digest, made_by)
