"""The buckets of a distribution check: which there are, and the number of rows in each.

Numbers are counted between fixed ends, texts by category, the others and the nulls as one each. All
are plain counts: they ride on the write where the contract states the buckets, else they take part
in the one job of a check. Ends and categories of a reference stand in the names of its numbers, so
the history of a table holds all that later versions are compared with.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from pyspark.sql import Column
from pyspark.sql import functions as F

from schemas.contract import SPLIT_COLUMN, Check

Counts: TypeAlias = Mapping[str, int | float | None]
Fractions: TypeAlias = tuple[tuple[float | str | None, float], ...]
MEASURES = ("psi", "jensen_shannon", "ks", "chi_square")
REFERENCES = ("last", "train", "champion")
GREATEST = sys.float_info.max
TRAIN = "train"
_OTHERS = "others"
_PREFIX = "bucket("


def wrong_distribution(
    check: Check, kinds: Mapping[str, str], *, is_personal: bool
) -> dict[str, bool]:
    """Say what a check of a distribution must have, and whether it lacks it."""
    if check.rule != "distribution":
        return {}
    ends = [key for key, _ in check.fractions if key is not None]
    numbers = [key for key in ends if not isinstance(key, str)]
    total = sum(share for _, share in check.fractions)
    is_number = {*map(kinds.get, check.columns)} <= {*_NUMBERS}
    has_p_value = check.measure in ("ks", "chi_square")
    return {
        f"a measure of {list(MEASURES)}": check.measure not in MEASURES,
        "maximum, or for ks and chi_square minimum, a p-value": check.maximum is None
        and (check.minimum is None or not has_p_value),
        "no minimum, which bounds a p-value of ks or chi_square": check.minimum is not None
        and not has_p_value,
        f"fractions or a reference of {list(REFERENCES)}": (check.reference in REFERENCES)
        == bool(check.fractions),
        "a column split, which tells the reference train": check.reference == TRAIN
        and SPLIT_COLUMN not in kinds,
        "ks of numbers only": check.measure == "ks" and not is_number,
        "fractions of 0 or more": any(share < 0 for _, share in check.fractions),
        "fractions by ascending upper end, the last infinite, that sum to 1": bool(check.fractions)
        and is_number
        and not (
            len(numbers) == len(ends)
            and numbers == sorted({*numbers})
            and numbers[-1:] == [float("inf")]
            and abs(total - 1) < _ROUNDING
        ),
        "fractions by category that sum to 1 at most": bool(check.fractions)
        and not is_number
        and bool(numbers or total > 1 + _ROUNDING),
        "no personal column, whose values the history would hold": is_personal,
    }


_NUMBERS = ("int", "long", "float", "double")
_ROUNDING = 1e-6


def bucket_columns(check: Check) -> dict[str, Column]:
    """Give the counts that a check needs, by name."""
    found: dict[str, Column] = {}
    for side in _sides(check):
        for name, holds in _buckets(check, side):
            found[name] = F.count_if(holds)
    return found


def all_bucket_names(check: Check) -> tuple[str, ...]:
    """Names of all counts that a check rests on."""
    return tuple(name for side in _sides(check) for name in bucket_names(check, side))


def bucket_names(check: Check, side: str = "") -> tuple[str, ...]:
    """Names of the counts of one side, as ``bucket_columns``: buckets, nulls, then the rest."""
    return tuple(name for name, _ in _named(check, side))


def observed_counts(check: Check, numbers: Counts) -> list[float]:
    """Give the rows by bucket; raises ``KeyError`` with the name of a number that is missing."""
    side = _OTHERS if check.reference == TRAIN else ""
    return [float(numbers[name] or 0) for name in bucket_names(check, side)]


def expected_counts(check: Check, numbers: Counts) -> list[float]:
    """Give rows of the reference by bucket, or their shares where they are stated."""
    if check.reference == TRAIN:
        return [float(numbers[name] or 0) for name in bucket_names(check, TRAIN)]
    shares = [share for key, share in check.fractions if key is not None]
    shares.append(sum(share for key, share in check.fractions if key is None))
    if not check.counted:
        return [*shares, max(0.0, 1.0 - sum(shares))]
    counts = [float(round(share * check.counted)) for share in shares]
    return [*counts, check.counted - sum(counts)]


def num_ordered(check: Check) -> int:
    """Buckets of numbers, which have an order: those before nulls and the rest."""
    return len(_keys(check))


def resolve_distribution(check: Check, history: Sequence[Counts], champion: Counts) -> Check:
    """Give ``check`` with the buckets and shares of its reference; as it is while there is none.

    Args:
        check: Any; of a distribution only with a reference.
        history: Numbers of earlier versions that passed, newest last.
        champion: Numbers of the version that the champion was trained on.
    """
    if check.rule != "distribution" or check.fractions:
        return check
    versions = [champion] if check.reference == "champion" else reversed(history)
    for numbers in versions:
        fractions, counted = _read(check, numbers)
        if fractions:
            return replace(check, fractions=fractions, counted=counted)
    return check


def _sides(check: Check) -> tuple[str, ...]:
    return (TRAIN, _OTHERS) if check.reference == TRAIN else ("",)


def _keys(check: Check) -> list[Any]:
    """Upper ends of numbers, the last the greatest float, or categories."""
    keys = [key for key, _ in check.fractions if key is not None]
    return [key if isinstance(key, str) else min(float(key), GREATEST) for key in keys]


def _named(check: Check, side: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of each count beside what it says."""
    shared = {"reference": check.reference, **({"split": side} if side else {})}
    keys, low = _keys(check), -GREATEST
    for key in keys:
        said = {"is": key} if isinstance(key, str) else {"above": low, "to": key}
        yield _name(check, shared | said), said
        low = low if isinstance(key, str) else key
    yield _name(check, shared | {"is": None}), {"is": None}
    rest = {"not_in": [key for key in keys if isinstance(key, str)]}
    yield _name(check, shared | rest), rest


def _name(check: Check, said: dict[str, Any]) -> str:
    return f"{_PREFIX}{check.columns[0]}) {json.dumps(said, sort_keys=True)}"


def _buckets(check: Check, side: str) -> Iterator[tuple[str, Column]]:
    value = F.col(check.columns[0])
    keys = _keys(check)
    texts = [key for key in keys if isinstance(key, str)]
    for name, said in _named(check, side):
        if "to" in said:
            is_first = said["above"] == -GREATEST
            above = value >= F.lit(-GREATEST) if is_first else value > F.lit(said["above"])
            holds = above & (value <= F.lit(said["to"]))
        elif "not_in" in said:
            is_known = value.cast("string").isin(*texts) if texts else F.lit(False)
            if len(texts) < len(keys):
                is_known = value.between(F.lit(-GREATEST), F.lit(GREATEST))
            holds = value.isNotNull() & ~is_known
        else:
            holds = value.isNull() if said["is"] is None else value.cast("string") == said["is"]
        if side:
            is_train = F.col(SPLIT_COLUMN) == TRAIN
            holds = holds & (is_train if side == TRAIN else ~is_train)
        yield name, holds


def _read(check: Check, numbers: Counts) -> tuple[Fractions, int]:
    """Read the buckets of a version back from the names of its numbers."""
    prefix = f"{_PREFIX}{check.columns[0]}) "
    counts: dict[float | str | None, float] = {}
    total = 0.0
    for name, count in numbers.items():
        if not name.startswith(prefix):
            continue
        said = json.loads(name.removeprefix(prefix))
        if said["reference"] != check.reference or said.get("split", TRAIN) != TRAIN:
            continue
        total += count or 0
        if "not_in" not in said:
            counts[said["to"] if "to" in said else said["is"]] = count or 0
    values = [key for key in counts if key is not None]
    if not total or not any(counts[key] for key in values):
        return (), 0
    ends = sorted(key for key in values if not isinstance(key, str))
    words = sorted(key for key in values if isinstance(key, str))
    ordered: list[float | str | None] = [*ends, *words, None]
    return tuple((key, counts.get(key, 0) / total) for key in ordered), int(total)
