"""A table's contract as a Great Expectations suite.

One expectation per check and column, so that each column has its own line in a report. What a
person should know of a check (rule, severity, reason) travels in the expectation's ``meta``.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import great_expectations.expectations as gx_expectations
from great_expectations import ExpectationSuite
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from pipelines.errors import ContractError
from pipelines.quality.wording import expected_text
from schemas.contract import Check, TableSpec

gxe: Any = gx_expectations  # its names are not declared as exported
_NOT_EMPTY = Check("row_count", minimum=1, reason="a table without rows keeps every other rule")
_SEVERITIES = {"error": FailureSeverity.CRITICAL, "warning": FailureSeverity.WARNING}
_BOUNDED = ("between", "length", "row_count", "distinct_count", "sum", "mean")
_LEAST, _GREATEST = -sys.float_info.max, sys.float_info.max


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one word of the contract is said in Great Expectations.

    ``is_per_column``: one expectation for each column of the check, else one for all of them.
    ``is_of_rows``: rows keep it or break it, else the table as a whole does.
    """

    make: Callable[..., Expectation]
    arguments: Callable[[Check], dict[str, Any]]
    is_per_column: bool = True
    is_of_rows: bool = True


def suite_name(spec: TableSpec) -> str:
    """Name of a table's suite: data set, layer and table."""
    return f"{spec.dataset}.{spec.layer}.{spec.name}"


def build_suite(spec: TableSpec) -> ExpectationSuite:
    """Render the checks of one table.

    A rule that must have rows to fail passes on an empty table, so every suite also asks for at
    least one row. Equal checks become one, with the greater severity.

    Raises:
        ContractError: There are no checks, or a check is incomplete or names an unknown column.
    """
    if not spec.checks:
        raise ContractError(
            f"{suite_name(spec)}: expected at least one check; the contract declares none, and a "
            "gate without checks lets everything through. Add checks to the contract"
        )
    single = [part for check in (_NOT_EMPTY, *spec.checks) for part in _split(check, spec)]
    expectations = [_expectation(check, position) for position, check in enumerate(_merge(single))]
    return ExpectationSuite(name=suite_name(spec), expectations=expectations)


def _split(check: Check, spec: TableSpec) -> Iterator[Check]:
    names = tuple(column.name for column in spec.columns)
    _check_complete(check, suite_name(spec), names)
    if check.rule == "columns":
        yield replace(check, columns=check.columns or names)
    elif _RULES[check.rule].is_per_column:
        for name in check.columns:
            yield replace(check, columns=(name,))
    else:
        yield check


def _check_complete(check: Check, suite: str, names: Sequence[str]) -> None:
    has_bounds = check.minimum is not None or check.maximum is not None
    rule = _RULES.get(check.rule)
    wrong = {
        f"a rule of {sorted(_RULES)}": not rule,
        f"columns among {list(names)}": not set(check.columns) <= {*names}
        and check.rule != "columns",
        "at least one column": not check.columns and check.rule not in ("row_count", "columns"),
        "two columns": check.rule == "at_most" and len(check.columns) != 2,  # noqa: PLR2004
        "mostly in (0, 1]": not 0 < check.mostly <= 1,
        "no mostly, as it is about the whole table": bool(rule)
        and not rule.is_of_rows
        and check.mostly != 1,
        "minimum, maximum or both": check.rule in _BOUNDED and not has_bounds,
        "values": check.rule == "in_set" and not check.values,
        "a pattern": check.rule == "matches" and not check.pattern,
    }
    missing = [expected for expected, is_wrong in wrong.items() if is_wrong]
    if missing:
        raise ContractError(f"{suite}: expected {' and '.join(missing)}; got {check}")


def _merge(checks: list[Check]) -> list[Check]:
    kept: dict[Check, Check] = {}
    for check in checks:
        same = replace(check, severity="error", reason="")
        known = kept.get(same)
        if known is None or (known.severity == "warning" and check.severity == "error"):
            reason = check.reason or (known.reason if known else "")
            kept[same] = replace(check, reason=reason)
    return list(kept.values())


def _expectation(check: Check, position: int) -> Expectation:
    rule = _RULES[check.rule]
    meta: dict[str, Any] = {
        "position": position,
        "rule": check.rule,
        "columns": [] if check.rule == "columns" else list(check.columns),
        "expected": expected_text(check),
        "severity": check.severity,
        "mostly": check.mostly,
        "reason": check.reason,
        "owner": check.owner,
    }
    arguments = rule.arguments(check)
    if rule.is_of_rows:
        arguments["mostly"] = check.mostly
    return rule.make(
        **arguments,
        severity=_SEVERITIES[check.severity],
        meta=meta,
        notes=check.reason or None,
    )


def _column(check: Check) -> dict[str, Any]:
    return {"column": check.columns[0]}


def _between(check: Check) -> dict[str, Any]:
    """Bounds of a range; an open end is the greatest float.

    So NaN and the infinities lie in no range. Spark orders NaN above all numbers, see "NaN
    Semantics" in its SQL reference: without an upper bound NaN would pass.
    """
    minimum = _LEAST if check.minimum is None else check.minimum
    maximum = _GREATEST if check.maximum is None else check.maximum
    arguments = _column(check) | {"min_value": minimum, "max_value": maximum}
    if check.minimum is None or check.maximum is None:
        arguments["description"] = f"values are finite, {expected_text(check)}."
    return arguments


def _finite(check: Check) -> dict[str, Any]:
    return _column(check) | {
        "min_value": _LEAST,
        "max_value": _GREATEST,
        "description": f"values are finite: {expected_text(check)}.",
    }


def _unique(check: Check) -> dict[str, Any]:
    return _column(check) if len(check.columns) == 1 else {"column_list": list(check.columns)}


def _bounds(check: Check) -> dict[str, Any]:
    return {"min_value": check.minimum, "max_value": check.maximum}


def _whole_bounds(check: Check) -> dict[str, Any]:
    return {"min_value": _whole(check.minimum), "max_value": _whole(check.maximum)}


def _at_most(check: Check) -> dict[str, Any]:
    less, greater = check.columns
    return {
        "column_A": greater,
        "column_B": less,
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
        "description": f"{less} is at most {greater}, in rows that have both.",
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _make_unique(**arguments: Any) -> Expectation:
    if "column" in arguments:
        return gxe.ExpectColumnValuesToBeUnique(**arguments)
    return gxe.ExpectCompoundColumnsToBeUnique(**arguments)


_RULES: dict[str, _Rule] = {
    "not_null": _Rule(gxe.ExpectColumnValuesToNotBeNull, _column),
    "unique": _Rule(_make_unique, _unique, is_per_column=False),
    "between": _Rule(gxe.ExpectColumnValuesToBeBetween, _between),
    "finite": _Rule(gxe.ExpectColumnValuesToBeBetween, _finite),
    "in_set": _Rule(
        gxe.ExpectColumnValuesToBeInSet, lambda c: _column(c) | {"value_set": list(c.values)}
    ),
    "matches": _Rule(
        gxe.ExpectColumnValuesToMatchRegex, lambda c: _column(c) | {"regex": c.pattern}
    ),
    "length": _Rule(
        gxe.ExpectColumnValueLengthsToBeBetween, lambda c: _column(c) | _whole_bounds(c)
    ),
    "at_most": _Rule(gxe.ExpectColumnPairValuesAToBeGreaterThanB, _at_most, is_per_column=False),
    "row_count": _Rule(
        gxe.ExpectTableRowCountToBeBetween, _whole_bounds, is_per_column=False, is_of_rows=False
    ),
    "distinct_count": _Rule(
        gxe.ExpectColumnUniqueValueCountToBeBetween,
        lambda c: _column(c) | _whole_bounds(c),
        is_of_rows=False,
    ),
    "sum": _Rule(
        gxe.ExpectColumnSumToBeBetween, lambda c: _column(c) | _bounds(c), is_of_rows=False
    ),
    "mean": _Rule(
        gxe.ExpectColumnMeanToBeBetween, lambda c: _column(c) | _bounds(c), is_of_rows=False
    ),
    "columns": _Rule(
        gxe.ExpectTableColumnsToMatchOrderedList,
        lambda c: {"column_list": list(c.columns)},
        is_per_column=False,
        is_of_rows=False,
    ),
}
