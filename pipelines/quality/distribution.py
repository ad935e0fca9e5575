"""Great Expectations' verdict on a distribution, by an expectation of ours.

Stock it has the relative entropy only, which is infinite where a bucket is empty, and no test that
runs on Spark. This one is made the way its custom expectations are: it names its metric, and makes
the result of the metric's value, so it runs in Great Expectations alone too, and Data Docs show it.
Who opens a suite with it elsewhere imports this module first.
"""

import math
from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.expectation import ColumnAggregateExpectation
from great_expectations.expectations.metrics.column_aggregate_metric_provider import (
    ColumnAggregateMetricProvider,
)
from great_expectations.expectations.metrics.metric_provider import metric_value

from pipelines.quality.buckets import (
    GREATEST,
    bucket_columns,
    expected_counts,
    num_ordered,
    observed_counts,
)
from pipelines.quality.distance import chi_square, jensen_shannon, kolmogorov_smirnov, psi, shares
from schemas.contract import Check

_METRIC = "column.bucket_counts"


def buckets_of(check: Check) -> dict[str, Any]:
    """Give the arguments that say measure, buckets and reference of ``check``."""
    return {
        "measure": check.measure,
        # JSON has no infinite end
        "buckets": [
            [key if key is None or isinstance(key, str) else min(float(key), GREATEST), share]
            for key, share in check.fractions
        ],
        "reference": check.reference,
        "counted": check.counted,
        "num_ordered": num_ordered(check),
    }


class ColumnBucketCounts(ColumnAggregateMetricProvider):
    """Rows by bucket, now and of the reference, by Great Expectations' own engine."""

    metric_name = _METRIC
    value_keys = ("buckets", "reference", "counted")

    @metric_value(engine=SparkDFExecutionEngine)
    def _spark(
        cls: Any,  # noqa: N805
        execution_engine: SparkDFExecutionEngine,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any],
    ) -> dict[str, list[float]]:
        rows, _, accessor = execution_engine.get_compute_domain(
            metric_domain_kwargs, domain_type=MetricDomainTypes.COLUMN
        )
        fractions = tuple((key, share) for key, share in metric_value_kwargs["buckets"])
        check = Check(
            "distribution",
            (accessor["column"],),
            reference=metric_value_kwargs["reference"],
            fractions=fractions,
            counted=metric_value_kwargs["counted"],
        )
        columns = bucket_columns(check)
        found: Any = rows.agg(*[c.alias(f"_{place}") for place, c in enumerate(columns.values())])
        numbers = dict(zip(columns, found.first(), strict=True))
        return {
            "observed": observed_counts(check, numbers),
            "expected": expected_counts(check, numbers),
        }


class ExpectColumnDistributionToMatch(ColumnAggregateExpectation):
    """Expect a column's distribution to be as near to a reference as its bounds say."""

    measure: str
    buckets: list[Any]
    reference: str = ""
    counted: int = 0
    num_ordered: int = 0
    min_value: float | None = None
    max_value: float | None = None

    metric_dependencies: ClassVar[tuple[str, ...]] = (_METRIC,)
    success_keys: ClassVar[tuple[str, ...]] = (
        "measure",
        "buckets",
        "reference",
        "counted",
        "num_ordered",
        "min_value",
        "max_value",
    )
    args_keys: ClassVar[tuple[str, ...]] = ("column", "measure", "min_value", "max_value")

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        expected, observed = metrics[_METRIC]["expected"], metrics[_METRIC]["observed"]
        if self.min_value is None and self.max_value is None:
            return {"success": True, "result": {"observed_value": "no reference yet"}}
        if not sum(observed) or not sum(expected):
            # an empty table, or a reference that brings no rows
            return {"success": False, "result": {"observed_value": None}}
        value, p_value = self._measure(expected, observed)
        is_near = self.max_value is None or (value is not None and value <= self.max_value)
        is_likely = self.min_value is None or (p_value is not None and p_value >= self.min_value)
        details = {"p_value": p_value, "expected": shares(expected), "observed": shares(observed)}
        return {
            "success": is_near and is_likely,
            "result": {"observed_value": value, "details": details},
        }

    def _measure(
        self, expected: list[float], observed: list[float]
    ) -> tuple[float | None, float | None]:
        """Give the measure and, of a test, its p-value; none of numbers where there are none."""
        if self.measure == "psi":
            return psi(expected, observed), None
        if self.measure == "jensen_shannon":
            return jensen_shannon(expected, observed), None
        # the rows of stated shares are as many as one likes
        rows = sum(expected) if self.reference else math.inf
        if self.measure == "chi_square":
            found = chi_square(expected, observed, rows)
            return (found.statistic if math.isfinite(found.statistic) else None), found.p_value
        ordered = slice(0, self.num_ordered)
        if not sum(expected[ordered]) or not sum(observed[ordered]):
            return None, None
        rows *= sum(expected[ordered]) / sum(expected)
        found = kolmogorov_smirnov(expected[ordered], observed[ordered], rows)
        return found.statistic, found.p_value
