"""What is explained: a seeded sample of a split, the model, and the words for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.evaluation.arrays import Arrays, join_arrays, to_arrays
from pipelines.evaluation.predict import Predictor
from pipelines.explanation.groups import Group
from pipelines.reporting.feature_names import MASK, Meaning
from schemas.derive import known_columns
from schemas.encode import FeatureSet

_BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Case:
    """Rows with their primary keys as words, and the model that is explained on them.

    ``said`` is what the model says of each row, see ``open_predictor``; ``network`` the Keras model
    itself. ``origins`` are the groups by where they come from. ``words`` holds the vocabulary of
    each feature of tokens. A row is called 1 from ``threshold`` on.
    """

    arrays: Arrays
    keys: Sequence[Mapping[str, str]]
    features: FeatureSet
    groups: tuple[Group, ...]
    origins: tuple[Group, ...]
    predict: Predictor
    network: Any
    said: npt.NDArray[np.float64]
    meanings: Mapping[str, Meaning]
    words: Mapping[str, Sequence[str]]
    threshold: float
    seed: int

    @property
    def called(self) -> npt.NDArray[np.int64]:
        """The output that each row is called by: the class, or 0 where there is one output."""
        if self.features.target.kind == "classes":
            return self.said.argmax(axis=1).astype(np.int64)
        return np.zeros(len(self.said), np.int64)

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """Whether a row is called what it is; nothing that is said of a number."""
        if self.features.target.kind == "classes":
            return self.called == self.arrays.label
        return (self.said >= self.threshold) == (self.arrays.label == 1)

    @property
    def number(self) -> str:
        """Name the label with its unit, of a number."""
        unit = self.features.target.unit
        return f"{self.features.label} in {unit}" if unit else self.features.label

    def is_personal(self, feature: str) -> bool:
        """Whether values of a feature must not be told."""
        return feature in self.meanings and self.meanings[feature].is_personal

    def describe(self, place: int) -> dict[str, Any]:
        """Give a row's key, what it is, and what the model says of it, in words."""
        target, given = self.features.target, self.said[place]
        label = self.arrays.label[place]
        if target.kind == "classes":
            called = int(given.argmax())
            said = f"{target.classes[called]}, probability {given[called]:.3f}"
            actual = target.classes[int(label)]
        elif target.kind == "number":
            said, actual = (f"{value:.4g} {target.unit}".rstrip() for value in (given, label))
        else:
            said, actual = f"{int(given >= self.threshold)}, probability {given:.3f}", f"{label}"
        return {"key": dict(self.keys[place]), "said": said, "actual": actual}


def read_keyed_sample(
    files: Sequence[str], features: FeatureSet, keys: Sequence[str], max_rows: int, seed: int
) -> tuple[Arrays, list[dict[str, Any]], int]:
    """Draw at most ``max_rows`` rows of a split without replacement, in the order of the files.

    Returns:
        The rows, the values of those of ``keys`` that the files have, and how many rows there are.
    """
    total = sum(pq.read_metadata(name).num_rows for name in files)
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(total, min(max_rows, total), replace=False))
    parts: list[Arrays] = []
    named: list[dict[str, Any]] = []
    begin = 0
    for name in files:
        with pq.ParquetFile(name) as file:
            known = [key for key in keys if key in file.schema_arrow.names]
            columns = list(dict.fromkeys([*features.columns, features.label, *known]))
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                ends = np.searchsorted(chosen, [begin, begin + batch.num_rows])
                places = chosen[ends[0] : ends[1]] - begin
                begin += batch.num_rows
                if places.size:
                    taken = batch.take(pa.array(places))
                    parts.append(to_arrays(taken, features))
                    named += taken.select(known).to_pylist()
    return join_arrays(parts, features), named, total


def say_keys(spec: Any, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Give keys as words; personal ones are masked."""
    columns = known_columns(spec)
    hidden = {name for name, column in columns.items() if column.is_personal}
    return [
        {name: MASK if name in hidden else str(value) for name, value in row.items()}
        for row in rows
    ]
