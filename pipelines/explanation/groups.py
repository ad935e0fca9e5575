"""Which features stand for the same thing: a column's number, its logarithm, its missing flag.

To permute one of them alone would make rows that no source can give (a delay of 40 minutes whose
logarithm says 3), and would leave the model the other to read the value from. So whatever was made
of one column is one group, here and on every page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.predict import Predictor
from schemas.contract import DatasetSpec
from schemas.derive import indicator_names
from schemas.encode import Encode, FeatureSet, Hashed, length_name
from schemas.feature_columns import feature_columns
from schemas.leakage import encoded_columns

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """What was made of one source column, or of a cross of several.

    ``features`` are named as in the features table, ``places`` are their columns in ``to_matrix``.
    """

    name: str
    features: tuple[str, ...]
    places: tuple[int, ...]


def group_features(spec: DatasetSpec, features: FeatureSet) -> tuple[Group, ...]:
    """Give the groups in the order of the features; one that no encoding names is its own."""
    sources = _sources(spec)
    found: dict[str, list[int]] = {}
    for place, name in enumerate(features.columns):
        found.setdefault(sources.get(name, name), []).append(place)
    columns = features.columns
    return tuple(
        Group(name, tuple(columns[place] for place in places), tuple(places))
        for name, places in found.items()
    )


def join_by_origin(spec: DatasetSpec, groups: Sequence[Group]) -> tuple[Group, ...]:
    """Give one group for each place that columns come from, all of its columns together.

    Columns that tell the same hide one another when they are permuted one by one; together they
    can't. Origins are the main source, each joined one, and the rolling aggregates; a cross counts
    where its first column does. Fewer than two origins tell nothing and give none.
    """
    origins = {
        here: f"joined from {join.source}" for join in spec.joins for _, here in join.columns
    }
    origins |= {item.name: "rolling aggregates" for item in spec.rollings}
    found: dict[str, list[Group]] = {}
    for group in groups:
        first = group.name.partition(" and ")[0]
        found.setdefault(origins.get(first, f"of {spec.main.name} itself"), []).append(group)
    if len(found) < 2:  # noqa: PLR2004
        return ()
    return tuple(
        Group(
            f"{name} ({len(some)})",
            tuple(group.name for group in some),
            tuple(place for group in some for place in group.places),
        )
        for name, some in found.items()
    )


def to_matrix(arrays: Arrays, features: FeatureSet) -> Matrix:
    """Give rows as one matrix, (rows, features in the order of ``features.columns``).

    A float64 holds float32 numbers and codes as they are. A text or an image stands there by the
    place of its row in ``arrays``.
    """
    places = np.arange(len(arrays), dtype=np.float64)
    others = [places] * (len(features.tokens) + len(features.images))
    return np.column_stack([arrays.numeric, arrays.categorical, *others]).astype(np.float64)


def rows_predictor(predict: Predictor, pool: Arrays, features: FeatureSet) -> Any:
    """Give a function from rows of ``to_matrix``, mixed at will, to what the model says of them.

    Args:
        predict: The model.
        pool: The rows whose texts and images the matrix names.
        features: Of both.
    """
    numbers = len(features.numeric)
    codes = numbers + len(features.categorical)
    others = (*features.tokens, *features.images)

    def say(rows: Matrix) -> npt.NDArray[np.float64]:
        taken: dict[str, npt.NDArray[Any]] = {}
        for place, column in enumerate(others, start=codes):
            wanted = rows[:, place].astype(np.int64)
            for name in (column.name, length_name(column.name)):
                if name in pool.others:
                    taken[name] = pool.others[name][wanted]
        arrays = Arrays(
            rows[:, :numbers].astype(np.float32),
            rows[:, numbers:codes].astype(np.int32),
            np.zeros(len(rows), np.int32),
            taken,
        )
        return predict(arrays)

    return say


def _sources(spec: DatasetSpec) -> Mapping[str, str]:
    """The source column of each feature, by the feature's name."""
    flags = {flag: item.column for item in spec.imputes for flag in indicator_names([item])}
    return {
        column.name: flags.get(source, source)
        for item in spec.encodes
        for source in [_source(item)]
        for column in feature_columns([item])
    }


def _source(item: Encode) -> str:
    if isinstance(item, Hashed) and len(item.columns) > 1:
        return " and ".join(item.columns)
    return encoded_columns(item)[0]
