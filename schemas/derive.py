"""The contract of each later table, computed from the one contract of the data set."""

import re
from collections.abc import Sequence
from dataclasses import replace

from schemas.contract import (
    SPLIT_COLUMN,
    SPLITS,
    Check,
    Column,
    ColumnType,
    ContractError,
    DatasetSpec,
    Derived,
    Layer,
    Source,
    TableSpec,
)
from schemas.encode import (
    FeatureKind,
    Impute,
)
from schemas.feature_columns import feature_columns
from schemas.interval import Interval
from schemas.target import target_of

LINEAGE = (
    Column("_source_file", "string", description="name of the file the row came in"),
    Column("_source_position", "long", description="grows with the row's place in its file"),
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_FEATURE_TYPES: dict[FeatureKind, ColumnType] = {
    "numeric": "float",
    "categorical": "int",
    "tokens": "array<int>",
    "image": "binary",
}
# of all texts, those without a single token
_MOST_EMPTY = 0.05
LINEAGE_NAMES = tuple(column.name for column in LINEAGE)


def table_spec(spec: DatasetSpec, layer: Layer, source_name: str) -> TableSpec:
    """Give the contract of one table: its columns and every check it must pass.

    Checks that follow from the contract (schema, rows, nulls, keys) come first, then those that
    the contract states for the source (raw and deduplicated tables) or for the layer.
    """
    source = spec.source(source_name)
    columns = _columns(spec, layer, source)
    key = source.long_key if layer not in ("raw", "deduplicated") else source.primary_key
    key = key if layer != "raw" else ()
    stated = source.checks if layer in ("raw", "deduplicated") else ()
    if source.name == spec.main.name:
        stated += spec.checks.get(layer, ())
    checks = (*_implied_checks(spec, layer, columns, key), *stated)
    names = {column.name for column in columns if column.type in ("timestamp", "date")}
    interval = Interval(source.time, source.interval) if source.interval else None
    if source.interval and not source.time:
        raise ContractError(f"{spec.name}: {source.name} has an interval; expected its time too")
    # raw tables are written by interval; of later ones only checks want to know
    asks = layer == "raw" or any(check.interval or check.rule == "no_gaps" for check in checks)
    is_there = asks and interval is not None and interval.column in names
    return TableSpec(
        spec.name, layer, source_name, columns, key, checks, interval if is_there else None
    )


def main_columns(spec: DatasetSpec) -> tuple[Column, ...]:
    """Columns of the main source after the split: as ingested, derived, label and split."""
    derived = tuple(item.column for item in early_derived(spec))
    label = Column(
        spec.label.name, spec.label.type, is_nullable=True, unit=spec.label.unit, is_outcome=True
    )
    return (*spec.main.long_columns, *derived, label, Column(SPLIT_COLUMN, "string"))


def early_derived(spec: DatasetSpec) -> tuple[Derived, ...]:
    """Derived columns that the main source alone decides: made with the split."""
    late = {item.column.name for item in late_derived(spec)}
    return tuple(item for item in spec.derived if item.column.name not in late)


def late_derived(spec: DatasetSpec) -> tuple[Derived, ...]:
    """Derived columns that read joined ones, or other late ones: made after the joins."""
    waits = {name.lower() for name in joined_columns(spec)}
    late: list[Derived] = []
    for item in spec.derived:
        if waits & words(item.sql):
            late.append(item)
            waits.add(item.column.name.lower())
    return tuple(late)


def joined_columns(spec: DatasetSpec) -> dict[str, Column]:
    """Columns that ``joins`` bring in, by their name here; null where nothing matches."""
    made: dict[str, Column] = {}
    for join in spec.joins:
        imputes = imputes_of(spec, spec.source(join.source))
        theirs = {column.name: column for column in spec.source(join.source).columns}
        theirs |= {name: Column(name, "int") for name in indicator_names(imputes)}
        for there, here in join.columns:
            if there not in theirs:
                raise ContractError(f"contract {spec.name}: {join.source} has no column {there!r}")
            made[here] = replace(theirs[there], name=here, is_nullable=True)
    return made


def known_columns(spec: DatasetSpec) -> dict[str, Column]:
    """Every column that features and rolling aggregates may name, before they are made."""
    made = {column.name: column for column in main_columns(spec)}
    made |= joined_columns(spec)
    return made | {item.column.name: item.column for item in late_derived(spec)}


def words(sql: str) -> set[str]:
    """Names that occur in a SQL expression, in lower case: SQL does not tell cases apart."""
    return {word.lower() for word in _WORD.findall(sql)}


def imputes_of(spec: DatasetSpec, source: Source) -> tuple[Impute, ...]:
    """Imputes of the source's own columns: those that run in the step ``impute``."""
    if source.name != spec.main.name:
        return tuple(item for item in spec.imputes if item.source == source.name)
    own = {column.name for column in main_columns(spec)}
    return tuple(item for item in spec.imputes if not item.source and item.column in own)


def late_imputes(spec: DatasetSpec) -> tuple[Impute, ...]:
    """Imputes of joined and rolling columns: they run once these columns exist."""
    own = {column.name for column in main_columns(spec)}
    return tuple(item for item in spec.imputes if not item.source and item.column not in own)


def imputed_sources(spec: DatasetSpec) -> tuple[str, ...]:
    """Sources that get an imputed table: the main one, and those with imputes."""
    others = [source.name for source in spec.sources[1:] if imputes_of(spec, source)]
    return (spec.main.name, *others)


def indicator_names(imputes: Sequence[Impute]) -> tuple[str, ...]:
    """Names of the indicator columns that ``imputes`` add."""
    return tuple(f"{item.column}_was_missing" for item in imputes if item.has_indicator)


def _columns(spec: DatasetSpec, layer: Layer, source: Source) -> tuple[Column, ...]:
    if layer in ("raw", "deduplicated"):
        return (*source.columns, *LINEAGE)
    if source.name != spec.main.name and layer != "imputed":
        raise ContractError(f"{spec.name}: {source.name} has no table in the layer {layer}")
    if layer == "split":
        return main_columns(spec)
    if layer == "imputed":
        base = main_columns(spec) if source.name == spec.main.name else (*source.columns, *LINEAGE)
        imputes = imputes_of(spec, source)
        added = tuple(Column(name, "int") for name in indicator_names(imputes))
        return (*_filled(base, imputes), *added)
    keys = tuple(column for column in source.long_columns if column.name in source.long_key)
    features = tuple(
        Column(item.name, _FEATURE_TYPES[item.kind]) for item in feature_columns(spec.encodes)
    )
    label = Column(spec.label.name, spec.label.feature_type, unit=spec.label.unit)
    return (*keys, *features, label, Column(SPLIT_COLUMN, "string"))


def _filled(columns: Sequence[Column], imputes: Sequence[Impute]) -> tuple[Column, ...]:
    """Columns that no longer hold nulls say so; along time, the ends may stay null."""
    full = {
        item.column
        for item in imputes
        if item.value is not None or item.method not in ("interpolate", "forward_fill")
    }
    return tuple(
        replace(column, is_nullable=column.is_nullable and column.name not in full)
        for column in columns
    )


def _implied_checks(
    spec: DatasetSpec, layer: Layer, columns: Sequence[Column], key: Sequence[str]
) -> tuple[Check, ...]:
    names = tuple(column.name for column in columns)
    checks = [
        Check("row_count", minimum=1, reason="an empty table would pass every other check"),
        Check("columns", names, reason="the contract's columns, in its order"),
    ]
    checks += [Check("not_null", (c.name,)) for c in columns if not c.is_nullable]
    if key:
        checks.append(Check("unique", tuple(key), reason="one row for each primary key"))
    if layer in ("split", "imputed") and SPLIT_COLUMN in names:
        checks.append(Check("in_set", (SPLIT_COLUMN,), values=SPLITS))
    if layer == "features":
        checks += [Check("finite", (c.name,)) for c in columns if c.type == "float"]
        codes = [f.name for f in feature_columns(spec.encodes) if f.kind == "categorical"]
        checks += [Check("between", (name,), minimum=0) for name in codes]
        lists = [f.name for f in feature_columns(spec.encodes) if f.kind == "tokens"]
        checks += [_has_tokens(name) for name in lists]
        if not spec.label.is_number:
            num_classes = target_of(spec.label).num_classes
            checks.append(Check("in_set", (spec.label.name,), values=tuple(range(num_classes))))
    if layer == "split" and spec.label.kind != "binary":
        checks.append(_label_check(spec))
    return tuple(checks)


def _label_check(spec: DatasetSpec) -> Check:
    """Sets rows aside whose label is none, as malformed ones are: as many are let pass."""
    label, mostly = spec.label, 1 - spec.main.max_malformed_share
    if label.is_number:
        reason = "the label is a number"
        return Check("finite", (label.name,), mostly=mostly, severity="quarantine", reason=reason)
    return Check(
        "in_set", (label.name,), values=label.classes, mostly=mostly, severity="quarantine",
        reason="the label is a class that the contract declares",
    )  # fmt: skip


def _has_tokens(name: str) -> Check:
    return Check(
        "sql",
        sql=f"size({name}) > 0",
        severity="quarantine",
        mostly=1 - _MOST_EMPTY,
        reason="a text without a token says nothing",
    )
