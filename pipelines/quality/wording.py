"""Checks and what came of them, said in one line each."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.quality.measures import LEAST, OPEN
from schemas.contract import Check

_MAX_ERROR = 300


def expected_text(check: Check) -> str:
    """Say what a check asks for, after the words "expected"."""
    wording = _EXPECTED[check.rule]
    said = wording if isinstance(wording, str) else wording(check)
    if check.last and check.maximum is None and check.minimum == OPEN.get(check.rule, LEAST):
        first = "there is none before it" if check.interval else "no version before has passed"
        return f"any {check.rule.replace('_', ' ')}, as {first}"
    if check.interval:
        said += f" in the newest interval, {check.interval}"
    if check.last:
        before = "intervals before it" if check.interval else "versions that passed"
        said += f", by the last {check.last} {before}"
    return said if check.mostly == 1 else f"{said}, in at least {check.mostly:.6g} of all values"


def observed_text(rule: str, result: dict[str, Any], error: str) -> str:
    """Say what a rule found, after the word "came"; ``result`` is Great Expectations' own."""
    if error:
        return f"an error in the check: {error}"
    if rule in _OBSERVED:
        return _OBSERVED[rule](result)
    if rule in _OF_VALUES:
        value = result.get("observed_value")
        return "no value" if value is None else _OF_VALUES[rule].format(value)
    bad, total = result.get("unexpected_count") or 0, result.get("element_count") or 0
    if not bad:
        return f"none that breaks it in {total} rows"
    return f"{bad} of {total} rows that break it"


def _quantile_text(result: dict[str, Any]) -> str:
    (value,) = result["observed_value"]["values"]
    return "no value" if value is None else f"{value:.12g}"


def _any_text(result: dict[str, Any]) -> str:
    if "observed_value" in result:
        return str(result["observed_value"])
    return f"{result.get('unexpected_count')} of {result.get('element_count')} rows that break it"


def error_text(exception_info: Any) -> str:
    """First line of the error that a check raised; empty if it raised none.

    Great Expectations gives one error, or a dictionary of them by metric.
    """
    if not exception_info:
        return ""
    if "exception_message" not in exception_info:
        return error_text(next(iter(exception_info.values())))
    message = exception_info["exception_message"] or ""
    return message.strip().partition("\n")[0][:_MAX_ERROR] if message else ""


def sample_value(value: Any) -> Any:
    """Give a sample as JSON can hold it; text for what it can't, such as NaN and times."""
    if isinstance(value, dict):
        return {str(name): sample_value(item) for name, item in value.items()}
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if value is None or is_number else str(value)


def _between_text(check: Check) -> str:
    if check.minimum is None:
        return f"at most {check.maximum:.12g}"
    if check.maximum is None:
        return f"at least {check.minimum:.12g}"
    return f"{check.minimum:.12g} to {check.maximum:.12g}"


def _names(names: Sequence[Any]) -> str:
    return ", ".join(str(name) for name in names)


def _distribution_text(check: Check) -> str:
    name = _MEASURES[check.measure]
    if check.maximum is None and check.minimum is None:
        return f"any {name}, as there is no reference yet"
    bounds = [f"at most {check.maximum:.12g}"] if check.maximum is not None else []
    bounds += [f"with a p-value of at least {check.minimum:.12g}"] if check.minimum else []
    return f"a {name} {' and '.join(bounds)}, against {_REFERENCES[check.reference]}"


def _observed_distribution(result: dict[str, Any]) -> str:
    value, details = result.get("observed_value"), result.get("details") or {}
    if value is None or isinstance(value, str):
        return value or "no value"
    p_value = details.get("p_value")
    return f"{value:.3g}" if p_value is None else f"{value:.3g}, p-value {p_value:.3g}"


_MEASURES = {
    "psi": "population stability index",
    "jensen_shannon": "Jensen-Shannon distance",
    "ks": "Kolmogorov-Smirnov statistic",
    "chi_square": "chi-square statistic",
}
_REFERENCES = {
    "": "the stated fractions",
    "last": "the last version that passed",
    "train": "the split train",
    "champion": "the version that the champion was trained on",
}
_OBSERVED: dict[str, Callable[[dict[str, Any]], str]] = {
    "row_count": lambda result: f"{result['observed_value']} rows",
    "quarantined": lambda result: f"{result['observed_value']} rows set aside",
    "no_gaps": lambda result: f"{result['observed_value']} intervals without rows",
    "columns": lambda result: f"columns {', '.join(result['observed_value'])}",
    "quantile": _quantile_text,
    "distribution": _observed_distribution,
    "expectation": _any_text,
}
_OF_VALUES = {
    "distinct_count": "{} distinct values",
    "sum": "{:.12g}",
    "mean": "{:.12g}",
    "fresh": "{}",
    "types": "type {}",
    "sql": "{} rows that break it",
    "in_table": "{} rows that break it",
    "increasing": "{} values at which it falls",
}
_EXPECTED: dict[str, str | Callable[[Check], str]] = {
    "not_null": "no nulls",
    "unique": "each key once",
    "between": _between_text,
    "finite": "no NaN and no infinity",
    "in_set": lambda check: f"one of {_names(check.values)}",
    "matches": lambda check: f"text that matches {check.pattern}",
    "length": lambda check: f"{_between_text(check)} characters",
    "at_most": lambda check: f"{check.columns[0]} at most {check.columns[1]}",
    "sql": lambda check: f"rows in which {check.sql}",
    "in_table": lambda check: f"values of {check.other}",
    "increasing": lambda check: f"{check.columns[0]} not to fall as {check.columns[1]} grows",
    "row_count": lambda check: f"{_between_text(check)} rows",
    "quarantined": lambda check: f"{_between_text(check)} rows set aside",
    "no_gaps": lambda check: f"at most {check.maximum or 0:.12g} intervals without rows",
    "distinct_count": lambda check: f"{_between_text(check)} distinct values",
    "sum": lambda check: f"a sum of {_between_text(check)}",
    "mean": lambda check: f"a mean of {_between_text(check)}",
    "quantile": lambda check: f"a quantile {check.quantile:.12g} of {_between_text(check)}",
    "fresh": lambda check: f"a newest value at most {check.maximum:.12g} hours before the commit",
    "columns": lambda check: f"these columns in this order: {_names(check.columns)}",
    "distribution": _distribution_text,
    "types": "the declared type",
    "expectation": lambda check: f"{check.expectation} {dict(check.arguments)}",
}
