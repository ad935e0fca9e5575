"""Great Expectations' Spark engine, with the jobs of a whole suite fused into a few.

The stock engine computes a number as soon as it can, which makes one Spark job or more for each
expectation. This one puts numbers off until nothing cheaper is left to resolve; then one job
computes all aggregates of the suite and one more all uniqueness counts. Verdicts, counts and texts
stay Great Expectations' own: only when and together with what numbers are computed differs.
"""

import math
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, TypeAlias

from great_expectations.exceptions.exceptions import MetricResolutionError
from great_expectations.execution_engine.execution_engine import MetricComputationConfiguration
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.expectations.registry import get_metric_provider
from great_expectations.validator.metric_configuration import (
    MetricConfiguration,
    MetricConfigurationID,
)
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

MASK = "***"
NUM_SAMPLES = 20
_Found: TypeAlias = dict[MetricConfigurationID, Any]
_SPARK_ERRORS = (PySparkException, Py4JError)
_UNIQUE = ("column_values.unique.unexpected_count", "compound_columns.unique.unexpected_count")
_COUNT, _VALUES = ".unexpected_count", ".unexpected_values"
_NUM_ROWS = "compound_columns.unique.filtered_row_count"
_FILTERED = ".filtered_row_count"
_MAX_MESSAGE = 500


class FusedSparkEngine(SparkDFExecutionEngine):
    """Computes a suite's numbers together; values of ``personal`` columns never leave Spark.

    What can't be fused is computed as the stock engine does. An error of Spark stays with the
    metrics that cause it: the others of the same job are computed without them.
    """

    def __init__(self, rows: DataFrame, personal: Iterable[str] = ()) -> None:
        super().__init__(persist=False, spark=rows.sparkSession, caching=False)
        self._rows = rows
        self._personal = frozenset(personal)
        self._counts: _Found = {}
        self._errors: dict[MetricConfigurationID, str] = {}

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: _Found | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> _Found:
        """Resolve what is cheap, or else what needs a job; the caller asks again for the rest.

        ``ValidationGraph`` calls this until nothing is left, so what is put off comes back
        together with all that became ready meanwhile.
        """
        wanted = list(metrics_to_resolve)
        todo = [metric for metric in wanted if metric.id not in self._errors]
        if wanted and not todo:
            message = self._errors[wanted[0].id]
            raise MetricResolutionError(message=message, failed_metrics=tuple(wanted))
        samples = [metric for metric in todo if metric.metric_name.endswith(_VALUES)]
        uniques = [metric for metric in todo if metric.metric_name in (*_UNIQUE, _NUM_ROWS)]
        pairs = [metric for metric in todo if _is_count_of_pairs(metric)]
        aggregates = [metric for metric in todo if self._is_aggregate(metric)]
        late = {metric.id for metric in (*samples, *uniques, *pairs, *aggregates)}
        cheap = [metric for metric in todo if metric.id not in late]
        if uniques and not cheap:
            return self._count_all_repeated(uniques)
        if pairs and not cheap:
            # in one job; stock takes two for each
            return self.resolve_metric_bundle(
                MetricComputationConfiguration(metric, _count_of_pairs(metric, metrics or {}), {})
                for metric in pairs
            )
        if now := cheap or aggregates:
            return super().resolve_metrics(now, metrics, runtime_configuration)
        known = {metric.id: self._sample(metric) for metric in samples}
        stock = [metric for metric in samples if known[metric.id] is None]
        sampled = super().resolve_metrics(stock, metrics, runtime_configuration)
        return known | {id_: _readable(values) for id_, values in sampled.items()}

    def resolve_metric_bundle(
        self, metric_fn_bundle: Iterable[MetricComputationConfiguration]
    ) -> _Found:
        """Compute aggregates in one job; without those that raise, which are found by halves."""
        items = list(metric_fn_bundle)
        try:
            found = super().resolve_metric_bundle(items)
        except _SPARK_ERRORS as error:
            if len(items) == 1 or not self._is_readable():
                for item in items:
                    self._note_error(item.metric_configuration, error)
                return {}
            middle = len(items) // 2
            first = self.resolve_metric_bundle(items[:middle])
            return first | self.resolve_metric_bundle(items[middle:])
        self._counts |= found
        return found

    def _is_aggregate(self, metric: MetricConfiguration) -> bool:
        # stock's own test of what it bundles: no function of its own, only a partial one
        return get_metric_provider(metric.metric_name, self)[1] is None

    def _is_readable(self) -> bool:
        try:
            self._rows.agg(F.count(F.lit(1))).collect()
        except _SPARK_ERRORS:
            return False
        return True

    def _sample(self, metric: MetricConfiguration) -> list[str] | None:
        """Samples that need no job: none if all rows pass, masks for personal columns."""
        arguments = dict(metric.metric_value_kwargs)
        arguments.pop("result_format", None)
        name = metric.metric_name.removesuffix(_VALUES) + _COUNT
        counted = MetricConfiguration(name, metric.metric_domain_kwargs, arguments).id
        if counted in self._counts and not self._counts[counted]:  # 0, or null without rows
            return []
        if self._personal & _columns_of(metric):
            return [MASK] * min(self._counts.get(counted, 1), NUM_SAMPLES)
        return None

    def _count_all_repeated(self, metrics: Sequence[MetricConfiguration]) -> _Found:
        """Count the rows whose key occurs again, of all keys in one job.

        Stock does it with a window, which sorts the whole table for each rule.
        """
        keys = {metric.metric_domain_kwargs_id: metric for metric in metrics}
        try:
            frames = [self._count_repeated(metric, key) for key, metric in keys.items()]
            rows = reduce(DataFrame.unionAll, frames).collect()
        except _SPARK_ERRORS as error:
            if len(keys) == 1:
                for metric in metrics:
                    self._note_error(metric, error)
                return {}
            alone = [[m for m in metrics if m.metric_domain_kwargs_id == key] for key in keys]
            return reduce(dict.__or__, map(self._count_all_repeated, alone))
        found: _Found = {}
        for key, repeated, num_rows in rows:
            for metric in metrics:
                if metric.metric_domain_kwargs_id == key:
                    found[metric.id] = num_rows if metric.metric_name == _NUM_ROWS else repeated
        self._counts |= found
        return found

    def _count_repeated(self, metric: MetricConfiguration, key: Any) -> DataFrame:
        names = sorted(_columns_of(metric))
        rows = self.get_domain_records(domain_kwargs=metric.metric_domain_kwargs)
        if "column" in metric.metric_domain_kwargs:
            rows = rows.where(F.col(names[0]).isNotNull())
        num = F.col("count")
        repeated = F.coalesce(F.sum(F.when(num > 1, num).otherwise(0)), F.lit(0))
        total = F.coalesce(F.sum(num), F.lit(0))
        return rows.groupBy(*names).count().agg(F.lit(key), repeated, total)

    def _note_error(self, metric: MetricConfiguration, error: Exception) -> None:
        said = str(error)[:_MAX_MESSAGE]
        if self._personal & _columns_of(metric):
            said = f"{MASK} (the message may quote a personal column)"
        self._errors[metric.id] = f"{type(error).__name__}: {said}"


def _is_count_of_pairs(metric: MetricConfiguration) -> bool:
    is_count = metric.metric_name.endswith((_COUNT, _FILTERED))
    return is_count and "column_A" in metric.metric_domain_kwargs


def _count_of_pairs(metric: MetricConfiguration, known: _Found) -> Column:
    """Count rows as ``at_most`` asks: those that lack one of the two do not count."""
    domain = metric.metric_domain_kwargs
    counted = F.col(domain["column_A"]).isNotNull() & F.col(domain["column_B"]).isNotNull()
    if metric.metric_name.endswith(_COUNT):
        name = metric.metric_name.removesuffix(_COUNT) + ".condition"
        counted &= known[MetricConfiguration(name, domain, metric.metric_value_kwargs).id][0]
    return F.count(F.when(counted, True))


def _columns_of(metric: MetricConfiguration) -> set[str]:
    domain = metric.metric_domain_kwargs
    single = {domain[name] for name in ("column", "column_A", "column_B") if name in domain}
    return single | {*(domain.get("column_list") or ())}


def _readable(samples: Any) -> Any:
    """Samples with NaN and the infinities as words: Great Expectations stores them as null."""
    if isinstance(samples, dict):
        return {name: _readable(value) for name, value in samples.items()}
    if isinstance(samples, list):
        return [_readable(value) for value in samples]
    is_word = isinstance(samples, float) and not math.isfinite(samples)
    return str(samples) if is_word else samples
