"""The checks of one table, one for each column or set of columns: complete, and none twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pipelines.errors import ContractError
from pipelines.quality.buckets import wrong_distribution
from schemas.contract import Check, TableSpec

_NOT_EMPTY = Check("row_count", minimum=1, reason="a table without rows keeps every other rule")
_NUMBERS = ("int", "long", "float", "double")
_TIMES = ("timestamp", "date")
_OF_INTERVALS = ("row_count", "sum", "mean")
_WHOLE_TABLE = ("row_count", "quarantined", "no_gaps", "columns", "types", "sql", "expectation")


@dataclass(frozen=True, slots=True)
class Trait:
    """What is common to all checks of one rule.

    ``is_per_column``: a check of several columns stands for one of each. ``is_of_rows``: a share
    of rows may break it. ``types``: of columns that it can be asked of, all if empty. ``needs``:
    what it must say, ``bounds`` being a minimum, a maximum or both. ``can_quarantine``: a row alone
    decides. ``num_columns``: exactly so many, any number if 0.
    """

    is_per_column: bool = True
    is_of_rows: bool = True
    types: tuple[str, ...] = ()
    needs: str = ""
    can_quarantine: bool = False
    num_columns: int = 0


TRAITS: Mapping[str, Trait] = {
    "not_null": Trait(can_quarantine=True),
    "unique": Trait(is_per_column=False),
    "between": Trait(types=_NUMBERS, needs="bounds", can_quarantine=True),
    "finite": Trait(types=_NUMBERS, can_quarantine=True),
    "in_set": Trait(needs="values", can_quarantine=True),
    "matches": Trait(types=("string",), needs="pattern", can_quarantine=True),
    "length": Trait(types=("string",), needs="bounds", can_quarantine=True),
    "at_most": Trait(is_per_column=False, can_quarantine=True, num_columns=2),
    "sql": Trait(is_per_column=False, is_of_rows=False, needs="sql", can_quarantine=True),
    "in_table": Trait(is_of_rows=False, needs="other"),
    "increasing": Trait(is_per_column=False, is_of_rows=False, num_columns=2),
    "row_count": Trait(is_per_column=False, is_of_rows=False, needs="bounds"),
    "distinct_count": Trait(is_of_rows=False, needs="bounds"),
    "sum": Trait(is_of_rows=False, types=_NUMBERS, needs="bounds"),
    "mean": Trait(is_of_rows=False, types=_NUMBERS, needs="bounds"),
    "quantile": Trait(is_of_rows=False, types=_NUMBERS, needs="bounds"),
    "fresh": Trait(is_of_rows=False, types=_TIMES, needs="maximum"),
    "quarantined": Trait(is_per_column=False, is_of_rows=False, needs="bounds"),
    "no_gaps": Trait(is_per_column=False, is_of_rows=False),
    "distribution": Trait(is_of_rows=False, needs="measure"),
    "columns": Trait(is_per_column=False, is_of_rows=False),
    "types": Trait(is_of_rows=False),
    "expectation": Trait(is_per_column=False, is_of_rows=False, needs="expectation"),
}


def suite_name(spec: TableSpec) -> str:
    """Name of a table's suite: data set, layer and table."""
    return f"{spec.dataset}.{spec.layer}.{spec.name}"


def single_checks(spec: TableSpec) -> tuple[Check, ...]:
    """Give the checks of a table, each of one column or one set of columns, in its order.

    A rule that must have rows to fail passes on an empty table, so the first check asks for at
    least one row. Equal checks become one, with the greater severity.

    Raises:
        ContractError: There are no checks, or a check is incomplete, contradicts a column's type or
            names an unknown column.
    """
    if not spec.checks:
        raise ContractError(
            f"{suite_name(spec)}: expected at least one check; the contract declares none, and a "
            "gate without checks lets everything through. Add checks to the contract"
        )
    single = [part for check in (_NOT_EMPTY, *spec.checks) for part in _split(check, spec)]
    return tuple(_merge(single))


def _split(check: Check, spec: TableSpec) -> Iterator[Check]:
    _check_complete(check, spec)
    names = check.columns or tuple(column.name for column in spec.columns)
    if check.rule == "columns":
        yield replace(check, columns=names)
    elif check.rule == "types" or (check.columns and TRAITS[check.rule].is_per_column):
        for name in names:
            yield replace(check, columns=(name,))
    else:
        yield check


def _check_complete(check: Check, spec: TableSpec) -> None:
    kinds = {column.name: column.type for column in spec.columns}
    wrong = _wrong(check, kinds) if check.rule in TRAITS else [f"a rule of {sorted(TRAITS)}"]
    if (check.interval or check.rule == "no_gaps") and spec.interval is None:
        wrong.append("a table with a time, and an interval in the contract of its source")
    if check.interval and (check.interval != "newest" or check.rule not in _OF_INTERVALS):
        wrong.append(f'interval "newest" of a rule of {sorted(_OF_INTERVALS)}')
    personal = {column.name for column in spec.columns if column.is_personal} & {*check.columns}
    special = wrong_distribution(check, kinds, is_personal=bool(personal))
    wrong += [expected for expected, is_wrong in special.items() if is_wrong]
    if wrong:
        raise ContractError(f"{suite_name(spec)}: expected {' and '.join(wrong)}; got {check}")


def _wrong(check: Check, kinds: Mapping[str, str]) -> list[str]:
    trait = TRAITS[check.rule]
    own = [kinds[name] for name in check.columns if name in kinds]
    has_bounds = (check.minimum, check.maximum, check.sigmas) != (None, None, None)
    is_said = {
        "": True,
        "bounds": has_bounds,
        "maximum": check.maximum is not None,
        "other": check.other.count(".") == 1,
    }
    found = {
        f"columns among {list(kinds)}": not set(check.columns) <= {*kinds}
        and check.rule != "columns",
        "at least one column": not check.columns and check.rule not in _WHOLE_TABLE,
        "two columns": bool(trait.num_columns) and len(check.columns) != trait.num_columns,
        f"columns of type {' or '.join(trait.types)}": bool(trait.types)
        and not set(own) <= {*trait.types},
        "mostly in (0, 1]": not 0 < check.mostly <= 1,
        "no mostly, as it is about the whole table": not trait.is_of_rows
        and check.mostly != 1
        and check.severity != "quarantine",
        _SAID.get(trait.needs, ""): not is_said.get(
            trait.needs, bool(getattr(check, trait.needs, 1))
        ),
        "a quantile in (0, 1)": check.rule == "quantile" and not 0 < (check.quantile or 0) < 1,
        "values of the column's type": check.rule == "in_set"
        and not all(_fits(value, kind) for value in check.values for kind in own),
        "last of 1 or more where there are sigmas": check.sigmas is not None and check.last < 1,
        "a rule of single rows for severity quarantine, with mostly below 1": check.severity
        == "quarantine"
        and not (trait.can_quarantine and check.mostly < 1),
    }
    return [expected for expected, is_wrong in found.items() if is_wrong]


_SAID = {
    "bounds": "minimum, maximum or both",
    "maximum": "maximum, in hours",
    "values": "values",
    "pattern": "a pattern",
    "sql": "a SQL expression in sql",
    "other": "other as table.column",
    "measure": "a measure",
    "expectation": "the name of an expectation",
}


def _fits(value: str | int, kind: str) -> bool:
    if kind in _NUMBERS:
        return isinstance(value, int)
    return isinstance(value, str)


def _merge(checks: list[Check]) -> list[Check]:
    kept: dict[Check, Check] = {}
    for check in checks:
        same = replace(check, severity="error", reason="")
        known = kept.get(same)
        if known is None or (known.severity == "warning" and check.severity == "error"):
            reason = check.reason or (known.reason if known else "")
            kept[same] = replace(check, reason=reason)
    return list(kept.values())
