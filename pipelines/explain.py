"""Say what a trained model goes by: its columns, words or pixels, and single rows.

Rows are of the validation split: the test split is measured once and looked at no further. What is
done by default takes seconds; see ``--methods``.
"""

from dataclasses import dataclass
from typing import Any

from pipelines.cli import param
from pipelines.errors import ParameterError, TrainingError
from pipelines.evaluation import measure
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.predict import make_predictor, open_network
from pipelines.explanation.case import Case, read_keyed_sample, say_keys
from pipelines.explanation.document import Document, Sizes, explain_case, suited_methods
from pipelines.explanation.groups import group_features, join_by_origin
from pipelines.explanation.methods import NONE, check_methods
from pipelines.explanation.table_part import TableSizes
from pipelines.layout import Layout
from pipelines.loading.local_copies import LocalCopies
from pipelines.loading.split_files import split_files
from pipelines.reporting.feature_names import meanings
from pipelines.state import (
    file_digest,
    read_features,
    read_json,
    read_object,
    write_bytes,
    write_json,
)
from pipelines.step import StepKey, StepResult, has_files, once, step_key
from pipelines.storage.place import place
from pipelines.tables.ledger_table import require_passed
from pipelines.tables.version import parse_version
from schemas.catalog import dataset
from schemas.contract import SPLITS
from schemas.encode import FeatureSet, length_name

_ROWS, _DEEP_ROWS = 4000, 1000
_SHOWN = 8  # columns in the job's one line
# the least that each number may be
_LEAST = {
    "max_rows": 0,
    "repeats": 1,
    "shap_rows": 1,
    "background": 2,
    "neighbours": 10,
    "texts": 1,
    "images": 1,
    "steps": 1,
}


@dataclass(frozen=True, slots=True)
class ExplainParams:
    """Say what a model goes by, on a sample of rows."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    features: str = param("Features table pinned to a version, like path@v3")
    state: str = param("State of engineer_features, JSON: names and order of the model's inputs")
    model: str = param("Trained model, .keras file")
    metrics: str = param("Figures of evaluate, for their threshold; empty: 1 from 0.5 on", "")
    methods: tuple[str, ...] = param(
        "permutation, shap, lime (of columns), gradients (of words and pixels), or none; without "
        "any: permutation of two columns or more, gradients of texts and images",
        (),
    )
    split: str = param("Split whose rows are looked at", "validation")
    max_rows: int = param("Most rows of it, drawn at random; 0: 4000, of texts and images 1000", 0)
    repeats: int = param("Times that each column is permuted", 5)
    shap_rows: int = param("Rows whose Shapley values are averaged", 200)
    background: int = param("Rows that stand for a column's absence, with shap and lime", 32)
    neighbours: int = param("Neighbours of a row that lime fits a line to", 2000)
    texts: int = param("Texts whose words are averaged, with gradients", 48)
    images: int = param("Images called right, and as many called wrong, with gradients", 6)
    steps: int = param("Steps of integrated gradients", 64)
    seed: int = param("Seed of all that is drawn", 1)
    cache: str = param("folder for the local copies of remote tables", "")
    cache_mb: int = param("what the copies of all remote tables may take up, in MB", 100_000)


def run(params: ExplainParams) -> StepResult:
    """Explain one model on one features version; a repeated run gives the recorded figures.

    Raises:
        ParameterError: A file is missing, a method or a number is none, the figures are of another
            model, or the model takes other features or is built so that a method can't look in.
        TrainingError: The sample is empty or of one class, or the model gives NaN.
    """
    _check(params)
    spec = dataset(params.dataset)
    digests = {name: file_digest(place(getattr(params, name))) for name in _given(params)}
    layout = Layout(params.root, params.dataset)
    numbers = {name: getattr(params, name) for name in (*_LEAST, "methods", "split", "seed")}
    key = step_key("explain", layout, spec.fingerprint(), params.features, digests, numbers)
    return once(key, lambda: _explain(params, key, digests), has_files)


def _explain(params: ExplainParams, key: StepKey, digests: dict[str, str]) -> StepResult:
    require_passed((params.features,))
    told: dict[str, Any] = {"features": str(parse_version(params.features))}
    told |= {f"{name}_sha256": digest for name, digest in digests.items()}
    told |= {"methods": [*params.methods], "split": params.split, "seed": params.seed}
    folder = key.layout.base / "explanations" / key.fingerprint
    files = {"explanation": str(folder / "explanation.json")}
    made = Document()
    if NONE not in params.methods:
        case, total = _case(params, digests)
        methods, told["left_out"] = params.methods, ""
        if not methods:
            methods, told["left_out"] = suited_methods(case)
        table = TableSizes(params.repeats, params.shap_rows, params.background, params.neighbours)
        sizes = Sizes(table, params.texts, params.images, params.steps)
        made = explain_case(case, methods, sizes)
        told |= {"methods": [*methods], "rows": len(case.said), "split_rows": total}
        told |= {"label": case.features.label, "kind": case.features.target.kind, **made.told}
    for name, content in made.pictures.items():
        write_bytes(folder / name, content)
        files[name.removesuffix(".png")] = str(folder / name)
    write_json(folder / "explanation.json", told)
    details = _summary(told) | {"seconds": made.seconds}
    return StepResult("explain", params.dataset, key.fingerprint, files=files, details=details)


def _case(params: ExplainParams, digests: dict[str, str]) -> tuple[Case, int]:
    """Read the sample, open the model, and let it say what it says of each row."""
    spec, features = dataset(params.dataset), read_features(place(params.state))
    most = params.max_rows or (_ROWS if not (features.tokens or features.images) else _DEEP_ROWS)
    arrays, named, total = read_keyed_sample(
        _files(params, features), features, spec.main.primary_key, most, params.seed
    )
    _check_rows(arrays, features, params, total)
    threshold = _threshold(params, digests)
    network = open_network(params.model, digests["model"])
    predict = make_predictor(network, features.target)
    _check_inputs(network, features)
    said = predict(arrays)
    measure.check_finite(said, measure.NETWORK, params.split)
    state = read_object(place(params.state), ("features",))
    groups = group_features(spec, features)
    case = Case(
        arrays=arrays,
        keys=say_keys(spec, named),
        features=features,
        groups=groups,
        origins=join_by_origin(spec, groups),
        predict=predict,
        network=network,
        said=said,
        meanings=meanings(spec, state),
        words=state.get("encode", {}).get("tokens", {}),
        threshold=threshold,
        seed=params.seed,
    )
    return case, total


def _summary(told: dict[str, Any]) -> dict[str, Any]:
    """What the job's line and the record say; the rest is in the file."""
    shown = ("methods", "split", "rows", "split_rows", "seed")
    found = {name: told[name] for name in shown if name in told}
    for method, figure in (("permutation", "mean"), ("shap", "mean_size")):
        if method in told:
            columns = told[method]["columns"][:_SHOWN]
            found[method] = {item["name"]: item[figure] for item in columns}
    return found


def _files(params: ExplainParams, features: FeatureSet) -> list[str]:
    table = parse_version(params.features)
    copies = LocalCopies(params.cache, params.cache_mb)
    return split_files(table.path, table.version, features, copies)[params.split]


def _threshold(params: ExplainParams, digests: dict[str, str]) -> float:
    if not params.metrics:
        return 0.5
    measured = read_json(place(params.metrics))
    expected = {"features": str(parse_version(params.features))}
    expected |= {f"{name}_sha256": digests[name] for name in ("model", "state")}
    for name, value in expected.items():
        if measured.get(name) != value:
            raise ParameterError(
                f"--metrics: expected figures with {name} {value}; {params.metrics} has "
                f"{measured.get(name)}. Run evaluate on this model and this table first"
            )
    return float(measured["models"][measure.NETWORK].get("threshold", 0.5))


def _check_rows(arrays: Arrays, features: FeatureSet, params: ExplainParams, total: int) -> None:
    is_varied = len(arrays) > 1 and arrays.label.min() != arrays.label.max()
    if is_varied or (len(arrays) and not params.methods):
        return
    came = f"all with {features.label} {arrays.label[0]}" if len(arrays) else "none"
    raise TrainingError(
        f"explain: expected rows of the {params.split} split with {features.label} of more than "
        f"one value; got {len(arrays)} of {total}, {came}: nothing can be told apart. Raise "
        "--max-rows, or take another --split or --seed"
    )


def _check_inputs(network: Any, features: FeatureSet) -> None:
    """Raise unless the network takes what the state names, as far as shapes tell."""
    expected: dict[str, tuple[Any, ...]] = {
        "numeric": (len(features.numeric),),
        "categorical": (len(features.categorical),),
        **{column.name: (None,) for column in features.tokens},
        **{length_name(column.name): () for column in features.tokens},
        **{column.name: column.shape for column in features.images},
    }
    taken = {tensor.name: tuple(tensor.shape[1:]) for tensor in network.inputs}
    if wrong := {name: shape for name, shape in taken.items() if expected.get(name) != shape}:
        raise ParameterError(
            f"--model: expected a network of the features that --state names, {expected}; it takes "
            f"{wrong}. Give the state and the table that it was trained on"
        )


def _given(params: ExplainParams) -> tuple[str, ...]:
    return ("model", "state", "metrics") if params.metrics else ("model", "state")


def _check(params: ExplainParams) -> None:
    for name in _given(params):
        if not place(getattr(params, name)).is_file():
            raise ParameterError(
                f"--{name}: expected a file; found none at {getattr(params, name)!r}"
            )
    check_methods("--methods", params.methods, dataset(params.dataset))
    if params.split not in SPLITS:
        raise ParameterError(f"--split: expected one of {[*SPLITS]}; got {params.split!r}")
    for name, least in _LEAST.items():
        if getattr(params, name) < least:
            flag = name.replace("_", "-")
            raise ParameterError(f"--{flag}: expected {least} or more; got {getattr(params, name)}")
