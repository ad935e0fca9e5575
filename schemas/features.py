"""Hold splits, lookups and encodings of a contract to numbers that can be meant."""

import math
from collections.abc import Iterator
from datetime import datetime

from schemas.contract import DatasetSpec, GivenSplit, HashSplit, TimeSplit
from schemas.derive import known_columns
from schemas.encode import Bucketed, Cyclic, Encode, Hashed, Numeric, Picture, Tokens, Vocabulary
from schemas.feature_columns import feature_columns
from schemas.image import bad_image


def bad_numbers(spec: DatasetSpec) -> Iterator[str]:
    """Say what is wrong with the split, the windows and the encodings of ``spec``.

    No two features share a name in any case of letters, nor does one with a key, the label or the
    split; sizes, periods and windows are positive; fractions of a split sum to one; its ranges
    have a beginning before their end.
    """
    if isinstance(spec.split, HashSplit):
        yield from _bad_hash_split(spec.split, spec)
    elif isinstance(spec.split, GivenSplit):
        yield from _bad_given_split(spec.split, spec)
    else:
        yield from _bad_time_split(spec.split, spec)
    for rolling in spec.rollings:
        if rolling.window_s <= 0:
            yield f"rolling {rolling.name}: expected a window above 0 s; got {rolling.window_s}"
    for join in spec.joins:
        if not join.on or join.tolerance_s < 0:
            yield f"join {join.source}: expected keys, and a tolerance of 0 s or more"
    wanted = [(item, _wanted(item)) for item in spec.encodes]
    yield from (
        f"{type(item).__name__}: expected {said}; got {item}" for item, said in wanted if said
    )
    keys = [*spec.main.long_key, spec.label.name, "split"]
    names = [*keys, *(item.name for item in feature_columns(spec.encodes))]
    lower = [name.lower() for name in names]
    twice = sorted({name for name in lower if lower.count(name) > 1})
    if twice:
        yield f"features, keys and label: names come twice: {twice}"


def _bad_hash_split(split: HashSplit, spec: DatasetSpec) -> Iterator[str]:
    missing = {*split.columns} - {*known_columns(spec)}
    if missing or not split.columns:
        yield f"the split needs columns that are there; it names {sorted(split.columns)}"
    shares = (split.train, split.validation, split.test)
    if not (all(share >= 0 for share in shares) and math.isclose(sum(shares), 1)):
        yield f"expected fractions of the split that sum to 1; got {shares}"


def _bad_given_split(split: GivenSplit, spec: DatasetSpec) -> Iterator[str]:
    named = [*split.train, *split.validation, *split.test]
    twice = sorted({name for name in named if named.count(name) > 1})
    if not (split.train and split.test) or twice:
        yield f"the split needs files to train and to test on, each named once; got {named}"
    if missing := {*split.columns, *([split.by] if split.by else [])} - {*known_columns(spec)}:
        yield f"the split names no columns {sorted(missing)}"
    if not split.validation and not (split.columns and 0 < split.validation_share < 1):
        yield (
            "the split needs files for validation, or columns and a share between 0 and 1 of the "
            f"training rows; got {split.columns} and {split.validation_share}"
        )


def _bad_time_split(split: TimeSplit, spec: DatasetSpec) -> Iterator[str]:
    if split.column not in known_columns(spec):
        yield f"the split names no column {split.column!r}"
    for name in ("train", "validation", "test"):
        begin, end = getattr(split, name)
        times = [_moment(begin), _moment(end)]
        if None in times or str(times[0]) >= str(times[1]):
            yield f"split {name}: expected ISO dates or times, the earlier first; got {begin, end}"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _wanted(item: Encode) -> str:
    """What an encoding should say; empty if it does."""
    if isinstance(item, Numeric):
        return "" if item.clip > 0 else "a clip above 0"
    if isinstance(item, Vocabulary):
        return "" if item.max_size > 0 and item.min_count > 0 else "sizes and counts of 1 or more"
    if isinstance(item, Tokens):
        is_meant = min(item.max_length, item.max_size, item.min_count) > 0
        return "" if is_meant else "lengths, sizes and counts of 1 or more"
    if isinstance(item, Hashed):
        return "" if item.columns and item.buckets > 0 else "columns, and 1 bucket or more"
    if isinstance(item, Picture):
        return "; ".join(bad_image(item.column, item.shape))
    return _wanted_of_steps(item)


def _wanted_of_steps(item: Bucketed | Cyclic) -> str:
    if isinstance(item, Cyclic):
        return "" if 0 < item.period < math.inf else "a period above 0"
    return _wanted_of_buckets(item)


def _wanted_of_buckets(item: Bucketed) -> str:
    is_rising = all(a < b for a, b in zip(item.boundaries, item.boundaries[1:], strict=False))
    is_fitted = item.num_quantiles > 1 and not item.boundaries
    is_given = bool(item.boundaries) and is_rising and not item.num_quantiles
    return "" if is_fitted or is_given else "rising boundaries, or num_quantiles of 2 or more"
