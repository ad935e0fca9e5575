"""Hold a contract to itself: names exist, and no feature knows what is known only later."""

from collections.abc import Iterator

from schemas.contract import Column, ContractError, DatasetSpec
from schemas.derive import indicator_names, known_columns, late_imputes, main_columns, words
from schemas.drift import bad_drift
from schemas.encode import Encode, Hashed, Join, Numeric, Rolling, Tokens, Vocabulary
from schemas.feature_columns import feature_columns
from schemas.features import bad_numbers
from schemas.near import bad_near
from schemas.schedule import bad_schedule
from schemas.shape import bad_types
from schemas.sources import bad_sources
from schemas.target import bad_label, prediction_columns

# of a window: rows after the one at hand
_LATER_ROWS = {"following", "lead"}


def check_contract(spec: DatasetSpec) -> DatasetSpec:
    """Give ``spec`` back if it keeps the rules below and those of ``bad_sources``.

    A feature is encoded from a column of the main source, a joined or a rolling one. It may not be,
    or be computed from, an outcome of its own row. A rolling aggregate may read outcomes of other
    rows if its event time says when they became known, and it asks as of the prediction time. A
    lookup as of a time asks as of the prediction time, and is not interpolated: that looks ahead.

    Raises:
        ContractError: Lists everything that is wrong.
    """
    if not isinstance(spec, DatasetSpec):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ContractError(f"expected SPEC as a DatasetSpec; got {type(spec).__name__}")
    wrong = [*bad_types(spec, DatasetSpec, "")]
    # the other rules speak of columns that sources declare
    wrong = wrong or [*bad_sources(spec)]
    wrong = wrong or [
        *_bad_derived(spec),
        *_bad_times(spec),
        *_bad_features(spec),
        *bad_schedule(spec.schedule),
        *bad_near(
            spec.near_duplicates,
            {item.name: "image" if item.image else item.type for item in main_columns(spec)},
        ),
    ]
    wrong = wrong or [*bad_label(spec.label), *_bad_naive(spec)]
    wrong = wrong or [*bad_numbers(spec)]
    wrong = wrong or [*bad_drift(spec.drift, _compared(spec))]
    if wrong:
        raise ContractError(f"contract {spec.name}: {'; '.join(wrong)}")
    return spec


def encoded_columns(item: Encode) -> tuple[str, ...]:
    """Columns that one encoding reads."""
    return item.columns if isinstance(item, Hashed) else (item.column,)


def _compared(spec: DatasetSpec) -> tuple[str, ...]:
    """Columns whose drift is watched: lists and images have no distribution of their own."""
    made = feature_columns(spec.encodes)
    features = [item.name for item in made if item.kind in ("numeric", "categorical")]
    return (*features, spec.label.name, *prediction_columns(spec.label.kind))


def _bad_derived(spec: DatasetSpec) -> Iterator[str]:
    columns = known_columns(spec).values()
    derived = {item.column.name for item in spec.derived}
    known = [c.name for c in columns if c.is_outcome and c.name not in derived]
    # as Spark takes names, whatever their case
    outcomes = {name.lower(): name for name in known}
    for item in spec.derived:
        used = [outcomes[word] for word in sorted(words(item.sql)) if word in outcomes]
        if used and not item.column.is_outcome:
            yield f"{item.column.name} is computed from outcomes {used}: mark it is_outcome"
        if words(item.sql) & _LATER_ROWS and not item.column.is_outcome:
            yield f"{item.column.name} looks at later rows: mark it is_outcome"
        if item.column.is_outcome:
            outcomes[item.column.name.lower()] = item.column.name


def _bad_times(spec: DatasetSpec) -> Iterator[str]:
    columns = known_columns(spec)
    if spec.prediction_time and spec.prediction_time not in columns:
        yield f"prediction_time names no column: {spec.prediction_time!r}"
    for item in spec.rollings:
        yield from _bad_rolling(item, spec.prediction_time, columns)
    for join in spec.joins:
        yield from _bad_join(join, spec, columns)
    for item in spec.imputes:
        if item.source and item.method not in ("constant", "forward_fill", "interpolate"):
            yield (
                f"{item.source}.{item.column}: a table looked up has no training split to fit a "
                f"{item.method} on; impute the joined column instead"
            )


def _bad_rolling(item: Rolling, prediction_time: str, columns: dict[str, Column]) -> Iterator[str]:
    missing = {item.value, item.event_time, item.as_of, *item.by} - set(columns)
    if missing:
        yield f"rolling {item.name} names no columns {sorted(missing)}"
        return
    if item.as_of != prediction_time:
        yield f"rolling {item.name} asks as of {item.as_of}, not {prediction_time}"
    if any(columns[name].is_outcome for name in item.by):
        yield f"rolling {item.name} groups by an outcome"
    if columns[item.value].is_outcome and not columns[item.event_time].is_outcome:
        yield f"rolling {item.name}: {item.event_time} does not say when {item.value} was known"


def _bad_join(join: Join, spec: DatasetSpec, columns: dict[str, Column]) -> Iterator[str]:
    theirs = _names(spec, join.source)
    missing = {name for _, name in join.on} - theirs
    if missing:
        yield f"join {join.source} names no columns {sorted(missing)} there"
    keys = [columns.get(here) for here, _ in join.on]
    if None in keys:
        yield f"join {join.source} names a key that is no column here"
    if any(key is not None and key.is_outcome for key in keys):
        yield f"join {join.source} is keyed by an outcome"
    if join.as_of and join.as_of[0] != spec.prediction_time:
        yield f"join {join.source} asks as of {join.as_of[0]}, not {spec.prediction_time}"
    for item in spec.imputes:
        if join.as_of and item.source == join.source and item.method == "interpolate":
            yield f"{join.source}.{item.column} is interpolated: that looks at later rows"


def _bad_features(spec: DatasetSpec) -> Iterator[str]:
    known: dict[str, Column | None] = dict(known_columns(spec))
    known |= dict.fromkeys(item.name for item in spec.rollings)
    known |= dict.fromkeys(indicator_names(spec.imputes))
    for item in spec.encodes:
        for name in encoded_columns(item):
            if name not in known:
                yield f"{type(item).__name__} names no column {name!r}"
                continue
            column = known[name]
            if column is not None and column.is_outcome:
                yield f"feature {name} is an outcome: known only after the prediction"
            if column is not None and column.is_personal and isinstance(item, Vocabulary | Tokens):
                yield (
                    f"feature {name} is personal: its values would stand in the fitted state, in "
                    "the report and in each model; encode it with Hashed"
                )
    yield from _bad_imputes(spec, set(known))


def _bad_naive(spec: DatasetSpec) -> Iterator[str]:
    name = spec.label.naive
    found = [item for item in spec.encodes if isinstance(item, Numeric) and item.column == name]
    if name and not any(not item.is_log and item.scale != "minmax" for item in found):
        yield f"label {spec.label.name}: its naive forecast {name!r} is no Numeric feature as it is"


def _bad_imputes(spec: DatasetSpec, known: set[str]) -> Iterator[str]:
    for item in spec.imputes:
        names = _names(spec, item.source) if item.source else known
        if item.column not in names:
            yield f"impute names no column {item.column!r}"
    for item in late_imputes(spec):
        if item.method in ("interpolate", "forward_fill"):
            yield f"impute {item.column}: joined and rolling columns can't be filled along time"


def _names(spec: DatasetSpec, source: str) -> set[str]:
    return {column.name for column in spec.source(source).columns}
