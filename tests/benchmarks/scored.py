"""Score the networks that a benchmark trained, on the splits of a features table."""

from pathlib import Path

from pipelines.evaluation import measure
from pipelines.evaluation.arrays import Arrays, join_arrays, read_batches
from pipelines.evaluation.measure import Scores
from pipelines.evaluation.predict import Predictor, open_predictor
from pipelines.loading.local_copies import LocalCopies
from pipelines.loading.split_files import split_files
from pipelines.state import file_digest
from pipelines.tables.version import parse_version
from schemas.encode import FeatureSet
from schemas.target import Target


def files_of(table: str, features: FeatureSet) -> dict[str, list[str]]:
    """Give the files of each split of a local table, ``path@vN``."""
    pinned = parse_version(table)
    return split_files(pinned.path, pinned.version, features, LocalCopies("", 1))


def rows_of(split: str, table: str, features: FeatureSet) -> Arrays:
    """Read all rows of a split of ``table`` into memory."""
    return join_arrays([*read_batches(files_of(table, features)[split], features)], features)


def open_model(path: str, target: Target) -> Predictor:
    """Open a ``.keras`` file as it is now."""
    return open_predictor(path, file_digest(Path(path)), target)


def score(split: str, table: str, features: FeatureSet, models: dict[str, str]) -> Scores:
    """Apply the models, paths by name, to each row of a split of ``table``."""
    opened = {name: open_model(path, features.target) for name, path in models.items()}
    return measure.score_split(split, files_of(table, features)[split], features, opened)
