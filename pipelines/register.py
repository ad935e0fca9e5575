"""Register a measured model with all that made it, and crown it champion if it is better."""

import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.registry import package, rule, store
from pipelines.state import code_fingerprint, file_digest, fingerprint, read_json
from pipelines.step import (
    StepKey,
    StepResult,
    once,
    read_record,
    require_trained,
    step_key,
)
from pipelines.storage.place import place
from pipelines.tables.version import parse_version
from schemas.catalog import dataset
from schemas.contract import DatasetSpec

_TAGS = ("basis", "features", package.DIGEST_TAG)
_FINGERPRINT = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RegisterParams:
    """Register a model; it becomes champion only if it is better by a stated rule."""

    dataset: str = param("Data set, a contract in schemas/; also the registered model's name")
    root: str = param("Folder that holds all tables and files")
    features: str = param("Features table it was trained on, pinned to a version, like path@v3")
    state: str = param("State of engineer_features, JSON")
    model: str = param("Trained model, .keras file")
    metrics: str = param("Figures of evaluate, metrics.json")
    training: str = param("Record of the train step, JSON: parameters, seed, history", "")
    explanation: str = param("What explain says of the model, explanation.json", "")
    states: tuple[str, ...] = param("Other fitted states, such as that of impute, JSON", ())
    registry: str = param("postgresql://USER@HOST/NAME on this machine; empty for SQLite", "")
    minimum_gain: float = param(
        "What a candidate's validation figure must be better by: ROC AUC, macro F1 or RMSE", 0.0
    )
    max_loss: float = param(
        "What a candidate's validation figure may be worse by, for one that compress made", 0.0
    )
    replace_incomparable: bool = param("Replace a champion measured with another label", False)


def run(params: RegisterParams) -> StepResult:
    """Register one training once; the same training gives the same version again.

    Raises:
        ParameterError: A file is missing, or the figures are those of another model, state,
            features version or contract; or the registry does not answer.
    """
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    digests = _check(params, spec)
    rules = (params.minimum_gain, params.max_loss, params.replace_incomparable)
    key = step_key("register", layout, spec.fingerprint(), params.features, digests, rules)
    with store.lock_registry(params.registry, layout.registry):
        registry = store.open_registry(params.registry, layout.registry)
        return once(
            key, lambda: _register(params, key, registry), lambda known: _holds(registry, known)
        )


def _register(params: RegisterParams, key: StepKey, registry: store.Registry) -> StepResult:
    spec, metrics = dataset(params.dataset), read_json(place(params.metrics))
    figure = metrics["compared_by"]
    training = _read_training(params)
    trained = training.fingerprint if training else fingerprint(_digests(params), params.features)
    with tempfile.TemporaryDirectory(prefix="gristmill-") as scratch:
        folder = Path(scratch) / store.PACKAGE
        manifest = package.build_package(folder, _contents(params, spec, training))
        tags = {
            _tag_of(figure): repr(metrics["validation"]["network"][figure["name"]]),
            "basis": rule.comparison_basis(spec),
            "features": str(parse_version(params.features)),
            package.DIGEST_TAG: manifest,
        }
        logged = store.Logged(_parameters(params, training), _flat(metrics), tags)
        version = store.add_version(registry, spec.name, trained, folder, logged)
    former = store.find_champion(registry, spec.name)
    decision = rule.decide(
        _standing(version, figure),
        _standing(former, figure) if former else None,
        params.minimum_gain - params.max_loss,
        is_replacing_incomparable=params.replace_incomparable,
    )
    if decision.is_champion:
        store.crown(registry, version)
    details = {
        "name": version.name,
        "version": version.number,
        **asdict(decision),
        "former_champion": former.number if former else None,
        "training": trained,
        "manifest_sha256": package.digest_of(version.name, version.number, version.tags),
    }
    files = {"package": str(version.folder), "manifest": str(version.folder / package.MANIFEST)}
    return StepResult("register", spec.name, key.fingerprint, files=files, details=details)


def _contents(
    params: RegisterParams, spec: DatasetSpec, training: StepResult | None
) -> package.Contents:
    metrics = place(params.metrics)
    files = {
        package.MODEL: place(params.model),
        package.STATE: place(params.state),
        package.METRICS: metrics,
    }
    files |= {f"states/{Path(name).name}": place(name) for name in params.states}
    if params.explanation:
        said = place(params.explanation)
        files["explanation.json"] = said
        files |= {f"explanation/{item.name}": item for item in sorted(said.parent.glob("*.png"))}
    files |= {f"plots/{plot.name}": plot for plot in sorted(metrics.parent.glob("*.png"))}
    if training and place(training.files.get("history", "")).is_file():
        files["history.json"] = place(training.files["history"])
    facts = {
        "dataset": spec.name,
        "tables": {"features": params.features},
        "contract": spec.fingerprint(),
        "code": code_fingerprint(),
        "training": asdict(training) if training else {},
        "parameters": _parameters(params, training),
        **package.describe_environment(),
    }
    return package.Contents(files, package.to_plain(asdict(spec)), package.to_plain(facts))


def _parameters(params: RegisterParams, training: StepResult | None) -> dict[str, Any]:
    said = {"features": params.features, "contract": dataset(params.dataset).fingerprint()}
    if training:
        said |= training.details.get("parameters", training.details.get("params", {}))
    return said


def _flat(metrics: dict[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for split, models in (("test", metrics["models"]), ("validation", metrics["validation"])):
        for model, figures in models.items():
            numbers = {name: value for name, value in figures.items() if isinstance(value, float)}
            flat |= {f"{split}/{model}/{name}": value for name, value in numbers.items()}
    return flat


def _tag_of(figure: dict[str, Any]) -> str:
    return f"validation_{figure['name']}"


def _standing(version: store.Version, figure: dict[str, Any]) -> rule.Standing:
    missing = [name for name in _TAGS if name not in version.tags]
    if missing:
        raise ParameterError(
            f"version {version.number} of {version.name} has no tags {missing}: it was not "
            "registered by this job. Take the alias champion from it, then register again"
        )
    tags = version.tags
    # with a label of another kind it has another figure, and another basis forbids to compare
    value = float(tags.get(_tag_of(figure), "nan"))
    words, is_lower_better = figure["words"], figure["is_lower_better"]
    return rule.Standing(
        version.number, value, tags["basis"], tags["features"], words, is_lower_better
    )


def _read_training(params: RegisterParams) -> StepResult | None:
    if not params.training:
        return None
    found = read_record(place(params.training))
    # it becomes part of a query of the registry
    if not _FINGERPRINT.fullmatch(found.fingerprint):
        raise ParameterError(
            f"--training: expected the record of a train step, named by letters and digits; got "
            f"{found.fingerprint[:40]!r} in {params.training}"
        )
    return found


def _digests(params: RegisterParams) -> dict[str, str]:
    return {name: file_digest(place(getattr(params, name))) for name in ("model", "state")}


def _check(params: RegisterParams, spec: DatasetSpec) -> dict[str, str]:
    named = {name: getattr(params, name) for name in ("model", "state", "metrics")}
    given = ("training", "explanation")
    named |= {name: getattr(params, name) for name in given if getattr(params, name)}
    for name, path in named.items():
        if not place(path).is_file():
            raise ParameterError(f"--{name}: expected a file; found none at {path!r}")
    for name in ("minimum_gain", "max_loss"):
        if (value := getattr(params, name)) < 0:
            raise ParameterError(f"--{name.replace('_', '-')}: expected 0 or more; got {value}")
    if params.minimum_gain and params.max_loss:
        raise ParameterError("expected --minimum-gain or --max-loss; got both")
    digests = _digests(params)
    expected = {
        "features": str(parse_version(params.features)),
        "contract": spec.fingerprint(),
        "model_sha256": digests["model"],
        "state_sha256": digests["state"],
    }
    training = _read_training(params)
    require_trained(training, params.model, digests["model"])
    _check_figures(params.metrics, expected, "Run evaluate on this model and this table first")
    if params.explanation:
        del expected["contract"]
        _check_figures(params.explanation, expected, "Run explain on this model and this table")
    return {**digests, "metrics": file_digest(place(params.metrics))}


def _check_figures(path: str, expected: dict[str, str], what_to_do: str) -> None:
    measured = read_json(place(path))
    for name, value in expected.items():
        if measured.get(name) != value:
            raise ParameterError(
                f"{path}: expected figures with {name} {value}; they were measured with "
                f"{measured.get(name)}. {what_to_do}"
            )


def _holds(registry: store.Registry, known: StepResult) -> bool:
    name, number = known.details["name"], known.details["version"]
    version = store.find_version(registry, name, known.details["training"])
    champion = store.find_champion(registry, name)
    is_champion = champion is not None and champion.number == number
    return version is not None and is_champion == known.details["is_champion"]
