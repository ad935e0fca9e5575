"""Great Expectations' own verdicts from numbers that are known already.

An expectation says which metrics it needs and makes its result of their values
(``get_validation_dependencies``, ``metrics_validate``). The values are ours; the result, with its
counts, shares and texts, is Great Expectations'. What needs other metrics is left to its engine.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from great_expectations.core import ExpectationValidationResult
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.expectation import Expectation
from great_expectations.validator.metric_configuration import MetricConfiguration
from pyspark.sql import types as t

from pipelines.quality.buckets import expected_counts, observed_counts
from pipelines.quality.measures import (
    ROWS,
    Numbers,
    broken_name,
    considered_name,
    nulls_name,
    value_of,
)
from schemas.contract import Check

RESULT_FORMAT = {
    "result_format": "BASIC",
    "partial_unexpected_count": 20,
    "return_unexpected_index_query": False,
}
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one table: numbers, what could not be had and why, bad values."""

    schema: t.StructType
    numbers: Numbers
    errors: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def replay(
    expectation: Expectation, check: Check, known: Known, engine: SparkDFExecutionEngine
) -> ExpectationValidationResult:
    """Give Great Expectations' result of one check; a number that is missing fails it.

    ``engine`` says of what kind the table is; nothing is computed with it.
    """
    said: dict[str, Any] = {"result_format": dict(RESULT_FORMAT)}
    try:
        needs = expectation.get_validation_dependencies(
            execution_engine=engine, runtime_configuration=said
        )
        metrics: Any = {
            metric.id: _value(metric, check, known)
            for metric in needs.metric_configurations.values()
        }
        return expectation.metrics_validate(
            metrics=metrics, execution_engine=engine, runtime_configuration=said
        )
    except KeyError as error:
        name = str(error.args[0])
        return failed_result(expectation, known.errors.get(name, f"no value of {name} is known"))
    except Exception as error:  # noqa: BLE001  a check that raises has failed; the others go on
        return failed_result(
            expectation, f"{type(error).__name__}: {error}", traceback.format_exc()
        )


def failed_result(
    expectation: Expectation, message: str, trace: str = ""
) -> ExpectationValidationResult:
    """Give the result of a check that could not be carried out, as Great Expectations does."""
    return ExpectationValidationResult(
        success=False,
        expectation_config=expectation.configuration,
        result={},
        exception_info={
            "raised_exception": True,
            "exception_message": message,
            "exception_traceback": trace or message,
        },
    )


def _value(metric: MetricConfiguration, check: Check, known: Known) -> Any:
    """Give one metric; raises ``KeyError`` with the name of the number that is missing."""
    name, numbers = metric.metric_name, known.numbers
    if name in _NAMED:
        return _NAMED[name](check, known)
    if name.endswith(".unexpected_values"):
        return list(known.samples.get(broken_name(check), ()))
    if name.endswith(".unexpected_count"):
        return numbers[broken_name(check)] if _has_rows(known, name) else None
    if name.endswith(".filtered_row_count"):
        return numbers[considered_name(check)]
    return value_of(check, numbers)


def _has_rows(known: Known, name: str) -> bool:
    # a sum over no rows is null in Spark, a count 0: stock sums the values of one column
    is_sum = name.startswith("column_values.") and not name.startswith("column_values.unique.")
    return bool(known.numbers[ROWS]) or not is_sum


def _moment(check: Check, known: Known) -> datetime | None:
    micros = value_of(check, known.numbers)
    if micros is None:
        return None
    return datetime.fromtimestamp(micros / _MICROS, UTC).replace(tzinfo=None)


def _row_count(check: Check, known: Known) -> int | float | None:
    is_own = check.rule in ("row_count", "quarantined", "no_gaps")
    return value_of(check, known.numbers) if is_own else known.numbers[ROWS]


def _columns(_: Check, known: Known) -> list[dict[str, Any]]:
    return [{"name": item.name, "type": item.dataType} for item in known.schema.fields]


def _nulls(check: Check, known: Known) -> int | float | None:
    count = known.numbers[nulls_name(check.columns[0])]
    return count if known.numbers[ROWS] else None


def _bucket_counts(check: Check, known: Known) -> dict[str, list[float]]:
    return {
        "observed": observed_counts(check, known.numbers),
        "expected": expected_counts(check, known.numbers),
    }


_NAMED: dict[str, Callable[[Check, Known], Any]] = {
    "table.row_count": _row_count,
    "table.columns": lambda _, known: known.schema.names,
    "table.column_types": _columns,
    "column_values.nonnull.unexpected_count": _nulls,
    "unexpected_rows_query.row_count": lambda check, known: known.numbers[broken_name(check)],
    # shown with result format COMPLETE only
    "unexpected_rows_query.table": lambda _, __: [],
    "column.max": _moment,
    "column.bucket_counts": _bucket_counts,
    "column.quantile_values": lambda check, known: [value_of(check, known.numbers)],
}
