"""Make a smaller form of a trained model, and refuse it where it answers worse.

What is measured is the file that is kept, opened as evaluate and score will open it. Validation
decides; what the test split says of it, evaluate does.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.cli import param
from pipelines.errors import CompressionError, ParameterError
from pipelines.evaluation import kinds, measure
from pipelines.evaluation.arrays import read_batches
from pipelines.evaluation.footprint import count_weights, seconds_per_1000_rows, use_one_thread
from pipelines.evaluation.predict import Predictor, make_predictor, open_network, open_predictor
from pipelines.evaluation.quantize import FORMS, pack, quantize
from pipelines.evaluation.verdict import Figure
from pipelines.layout import Layout
from pipelines.loading.local_copies import LocalCopies
from pipelines.loading.split_files import split_files
from pipelines.reporting.compression_page import render_compression
from pipelines.state import bytes_digest, file_digest, read_features, write_bytes, write_json
from pipelines.step import StepKey, StepResult, has_files, maker_of, once, require_trained, step_key
from pipelines.storage.place import place
from pipelines.tables.ledger_table import require_passed
from pipelines.tables.version import parse_version
from schemas.catalog import dataset
from schemas.encode import FeatureSet
from schemas.target import Target

ORIGINAL, COMPRESSED = "original", "compressed"
# enough for a median; of lists and pictures fewer, which take longer
_TIMED_ROWS, _TIMED_ROWS_OF_LISTS, _REPEATS = 8192, 1024, 9


@dataclass(frozen=True, slots=True)
class CompressParams:
    """Make a smaller form of a trained model; refuse one that loses too much."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    features: str = param("Features table pinned to a version, like path@v3")
    state: str = param("State of engineer_features, JSON: names and order of the model's inputs")
    model: str = param("Trained model, .keras file")
    beside: str = param(
        "Model that it is held against, .keras file, such as the one before pruning or the "
        "teacher; empty: --model",
        "",
    )
    form: str = param(f"One of {', '.join(FORMS)}", FORMS[0])
    max_loss: float = param(
        "What it may lose on the validation split, of ROC AUC or macro F1; of a number as a share "
        "of the RMSE",
        0.005,
    )
    cache: str = param("folder for the local copies of remote tables", "")
    cache_mb: int = param("what the copies of all remote tables may take up, in MB", 100_000)


def run(params: CompressParams) -> StepResult:
    """Compress one model; a repeated run gives the recorded result.

    Raises:
        CompressionError: It loses more than ``max_loss``; nothing is left of it.
        ParameterError: The model or the state is missing, was changed since it was made, is no
            plain network, or has nothing to quantise.
        TrainingError: The validation split is empty or has one class, or the model gives NaN.
    """
    digests = _check(params)
    layout = Layout(params.root, params.dataset)
    training = maker_of(layout, params.model)
    require_trained(training, params.model, digests["model"])
    contract = dataset(params.dataset).fingerprint()
    rules = (params.form, params.max_loss)
    key = step_key("compress", layout, contract, params.features, digests, rules)
    return once(key, lambda: _compress(params, key, digests, training), has_files)


def _compress(
    params: CompressParams, key: StepKey, digests: dict[str, str], training: StepResult | None
) -> StepResult:
    require_passed((params.features,))
    features, table = read_features(place(params.state)), parse_version(params.features)
    copies = LocalCopies(params.cache, params.cache_mb)
    files = split_files(table.path, table.version, features, copies)["validation"]
    num_threads = use_one_thread()
    held_against = params.beside or params.model, digests.get("beside", digests["model"])
    original = open_network(*held_against)
    content, details = _make(params, digests["model"])
    details[ORIGINAL] = _weigh(original, place(held_against[0]).read_bytes())
    details["model_sha256"] = bytes_digest(content)
    predictors = {
        ORIGINAL: make_predictor(original, features.target),
        COMPRESSED: _open(content, features.target),
    }
    for name, figures in _measure(predictors, files, features).items():
        details[name] |= figures
    details |= _gate(params, kinds.figure_of(features.target), details)
    details |= {
        "threads": num_threads,
        "features": str(table),
        "original_model": held_against[0],
        "original_sha256": held_against[1],
        "state_sha256": digests["state"],
        "training": training.fingerprint if training else "",
        "parameters": training.details.get("parameters", {}) if training else {},
    }
    folder = key.layout.compressions / key.fingerprint
    written = {"model": str(folder / "model.keras"), "figures": str(folder / "compression.json")}
    write_bytes(folder / "model.keras", content)
    write_json(folder / "compression.json", details)
    written["report"] = _draw(params, key, details)
    if training and "history" in training.files:
        written["history"] = training.files["history"]
    return StepResult("compress", params.dataset, key.fingerprint, files=written, details=details)


def _draw(params: CompressParams, key: StepKey, details: dict[str, Any]) -> str:
    spec = dataset(params.dataset)
    page = key.layout.reports / f"compression-{key.fingerprint}" / "index.html"
    write_bytes(page, render_compression(details, spec.title, spec.question).encode())
    return str(page)


def _make(params: CompressParams, digest: str) -> tuple[bytes, dict[str, Any]]:
    """Give the file of the smaller form, and what it weighs."""
    model = open_network(params.model, digest)
    layers = quantize(model, params.form)
    content = pack(model)
    return content, {
        "form": params.form,
        "quantized_layers": list(layers),
        COMPRESSED: _weigh(model, content),
    }


def _weigh(model: Any, content: bytes) -> dict[str, int]:
    return count_weights(model) | {"file_bytes": len(content)}


def _open(content: bytes, target: Target) -> Predictor:
    with TemporaryDirectory(prefix="gristmill-") as scratch:
        made = Path(scratch) / "model.keras"
        made.write_bytes(content)
        return open_predictor(str(made), file_digest(made), target)


def _measure(
    predictors: dict[str, Predictor], files: list[str], features: FeatureSet
) -> dict[str, dict[str, Any]]:
    scores = measure.score_split("validation", files, features, predictors)
    has_lists = bool(features.tokens or features.images)
    timed = next(read_batches(files, features, _TIMED_ROWS_OF_LISTS if has_lists else _TIMED_ROWS))
    seconds = seconds_per_1000_rows(predictors, timed, _REPEATS)
    return {
        name: {
            "validation": kinds.figures_of(features.target, scores.label, scores.said[name]),
            "seconds_per_1000_rows": seconds[name],
            "timed_rows": len(timed),
        }
        for name in predictors
    }


def _gate(params: CompressParams, figure: Figure, details: dict[str, Any]) -> dict[str, Any]:
    """Say what was lost; raise where that is too much."""
    original, compressed = (
        float(details[name]["validation"][figure.name]) for name in (ORIGINAL, COMPRESSED)
    )
    lost, of = original - compressed, ""
    if figure.is_lower_better:
        lost, of = compressed / original - 1 if original else compressed, " of it"
    if lost > params.max_loss:
        raise CompressionError(
            f"expected the form {params.form} to lose at most {params.max_loss:g}{of} of the "
            f"validation {figure.words} {original:.5g}; it has {compressed:.5g} and loses "
            f"{lost:.3g}. Nothing was kept of it: give another --form, allow more by --max-loss, "
            "or keep the original"
        )
    return {"figure": asdict(figure), "lost": lost, "max_loss": params.max_loss}


def _check(params: CompressParams) -> dict[str, str]:
    if params.form not in FORMS:
        raise ParameterError(f"expected --form to be one of {', '.join(FORMS)}; got {params.form}")
    if not 0 <= params.max_loss < 1:
        raise ParameterError(f"expected --max-loss from 0 to below 1; got {params.max_loss}")
    names = ("model", "state", *(("beside",) if params.beside else ()))
    for name in names:
        path = getattr(params, name)
        if not place(path).is_file():
            raise ParameterError(
                f"--{name}: expected a file; found none at {path!r}. Give the path in the result "
                f"of {'engineer_features' if name == 'state' else 'train'}, files.{name}"
            )
    return {name: file_digest(place(getattr(params, name))) for name in names}
