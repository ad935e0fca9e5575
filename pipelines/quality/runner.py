"""Check one table: numbers that rode on its write, one job for the rest, and Great Expectations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from great_expectations import ExpectationSuite
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from pyspark.sql import DataFrame

from pipelines.quality.buckets import resolve_distribution
from pipelines.quality.checks import single_checks, suite_name
from pipelines.quality.expectations import build_suite
from pipelines.quality.fit_buckets import fit_buckets
from pipelines.quality.history import Trace, resolve_bounds
from pipelines.quality.intervals import (
    can_merge,
    count_again,
    resolve_interval,
    trace_check,
    with_gaps,
)
from pipelines.quality.masking import MASK, is_shown, masked_error, masked_result
from pipelines.quality.measures import ROWS, Numbers, broken_name, needed_names
from pipelines.quality.replay import Known, replay
from pipelines.quality.report import CheckOutcome, QualityReport
from pipelines.quality.samples import sample_broken
from pipelines.quality.stock import meta_of, run_stock, suite_result
from pipelines.quality.survey import survey
from pipelines.quality.wording import error_text, observed_text, sample_value
from schemas.contract import Check, TableSpec


@dataclass(frozen=True, slots=True)
class Asked:
    """What a check of a table may need beside its rows.

    ``states`` are the numbers of the intervals of an earlier version, of which only those in
    ``changed`` were written again since: the others' rows are not read for what can be merged.
    States of other checks than these are of no use, and all rows are read.

    ``known`` are numbers that rode on its write; ``others`` tables of the same layer by name;
    ``history`` the numbers of earlier versions that passed, newest last; ``shown`` those of all
    earlier versions that a page shows; ``champion`` those of the version that the champion was
    trained on.
    """

    table: str
    known: Numbers = field(default_factory=dict)
    others: Mapping[str, DataFrame] = field(default_factory=dict)
    history: Sequence[Numbers] = ()
    shown: Sequence[Numbers] = ()
    champion: Numbers = field(default_factory=dict)
    written_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    states: Numbers = field(default_factory=dict)
    changed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """One table's report beside what Great Expectations keeps and shows of it.

    ``traces`` holds the number of each check over the last versions, in the order of the report;
    ``row_counts`` their rows. Both are oldest first, this version last.
    """

    report: QualityReport
    suite: ExpectationSuite
    result: ExpectationSuiteValidationResult
    numbers: Numbers
    traces: tuple[Trace, ...] = ()
    row_counts: tuple[float | None, ...] = (None,)


def check_table(rows: DataFrame, spec: TableSpec, asked: Asked) -> Checked:
    """Run the checks of ``spec`` on ``rows``.

    A check that raises has failed. What did not ride on the write takes one Spark job, and the
    samples of all failed checks together one more. Values of personal columns stay in Spark.

    Raises:
        ContractError: The table has no checks, or one that can't be said.
    """
    checks = [
        check if check.interval else resolve_bounds(check, asked.history)
        for check in single_checks(spec)
    ]
    checks = [resolve_distribution(check, asked.history, asked.champion) for check in checks]
    checks = fit_buckets(rows, checks)
    personal = _personal(spec)
    numbers, errors = _numbers(rows, checks, asked, spec)
    # an interval's bounds are from those before it, which are known only now
    checks = [resolve_interval(check, numbers) for check in checks]
    suite = build_suite(suite_name(spec), checks, spec.columns, asked.written_at)
    engine = SparkDFExecutionEngine(persist=False, spark=rows.sparkSession, caching=False)
    first = Known(rows.schema, numbers, errors)
    results = _replay_all(suite, checks, first, engine)
    failed = {
        check: int(numbers.get(broken_name(check)) or 0)
        for check, result in zip(checks, results, strict=True)
        if not result.success and numbers.get(broken_name(check))
    }
    samples = sample_broken(rows, failed, personal, asked.others)
    if samples:
        results = _replay_all(suite, checks, Known(rows.schema, numbers, errors, samples), engine)
    results = [
        result if is_shown(check, personal) else masked_result(result)
        for check, result in zip(checks, _run_others(suite, checks, results, rows), strict=True)
    ]
    for item in results:
        item.success = bool(item.success)  # a quantile's is NumPy's, which JSON can't hold
    result = suite_result(suite, results, asked.table)
    pairs = zip(results, checks, strict=True)
    outcomes = tuple(_outcome(item, samples.get(broken_name(check))) for item, check in pairs)
    success = len(outcomes) == len(checks) > 0 and not any(
        outcome.severity != "warning" and not outcome.success for outcome in outcomes
    )
    report = QualityReport(asked.table, suite.name, success, outcomes)
    versions = [*asked.shown, numbers]
    traces = tuple(
        trace_check(check, versions) if is_shown(check, personal) else Trace("") for check in checks
    )
    row_counts = tuple(version.get(ROWS) for version in versions)
    return Checked(report, suite, result, numbers, traces, row_counts)


def _numbers(
    rows: DataFrame, checks: Sequence[Check], asked: Asked, spec: TableSpec
) -> tuple[Numbers, dict[str, str]]:
    """Numbers by name, and for those that could not be had what stood in the way."""
    known, interval = asked.known, spec.interval
    obstacles = {check: _obstacle(check, rows, asked.others) for check in checks}
    possible = [check for check, obstacle in obstacles.items() if not obstacle]
    changed = asked.changed
    if interval and changed is not None and can_merge(asked.states, possible, interval):
        known = {**known, **count_again(rows, possible, interval, (asked.states, changed))}
        interval = None
    found = survey(rows, possible, known, asked.others, interval)
    said = {
        name: masked_error(name, error, _personal(spec)) for name, error in found.errors.items()
    }
    for check, obstacle in obstacles.items():
        if obstacle:
            said |= dict.fromkeys(needed_names(check), obstacle)
    numbers = {**known, **found.numbers}
    if spec.interval and "intervals" not in found.errors:
        numbers = with_gaps(numbers, checks, spec.interval.every)
    return numbers, said


def _personal(spec: TableSpec) -> frozenset[str]:
    return frozenset(column.name for column in spec.columns if column.is_personal)


def _obstacle(check: Check, rows: DataFrame, others: Mapping[str, DataFrame]) -> str:
    missing = [name for name in check.columns if name not in rows.columns]
    if missing and check.rule not in ("columns", "types"):
        return f"column {missing[0]} is not in the table; its columns are {', '.join(rows.columns)}"
    table = check.other.partition(".")[0]
    if check.rule == "in_table" and table not in others:
        return f"table {table} was not given; check it in the same call, by --inputs"
    return ""


def _replay_all(
    suite: ExpectationSuite, checks: Sequence[Check], known: Known, engine: SparkDFExecutionEngine
) -> list[ExpectationValidationResult]:
    pairs = zip(suite.expectations, checks, strict=True)
    return [replay(expectation, check, known, engine) for expectation, check in pairs]


def _run_others(
    suite: ExpectationSuite,
    checks: Sequence[Check],
    results: list[ExpectationValidationResult],
    rows: DataFrame,
) -> list[ExpectationValidationResult]:
    """Leave to Great Expectations what no number of ours stands for."""
    places = [place for place, check in enumerate(checks) if check.rule == "expectation"]
    if not places:
        return results
    others = [suite.expectations[place] for place in places]
    made = run_stock(ExpectationSuite(name=suite.name, expectations=others), rows, suite.name)
    found = dict(zip(places, made, strict=True))
    return [found.get(place, result) for place, result in enumerate(results)]


def _outcome(
    item: ExpectationValidationResult, samples: Sequence[Any] | None = None
) -> CheckOutcome:
    config: Any = item.expectation_config
    meta, found = meta_of(item), item.result or {}
    error = error_text(item.exception_info)
    shown = samples or found.get("partial_unexpected_list") or []
    return CheckOutcome(
        rule=meta["rule"],
        columns=tuple(meta["columns"]),
        severity=meta["severity"],
        success=bool(item.success) and not error,
        expected=meta["expected"],
        observed=_observed(meta["rule"], found, error),
        unexpected_count=found.get("unexpected_count"),
        element_count=found.get("element_count"),
        expectation=config.type,
        reason=meta["reason"],
        owner=meta["owner"],
        samples=tuple(sample_value(value) for value in shown),
        error=error,
    )


def _observed(rule: str, found: dict[str, Any], error: str) -> str:
    if found.get("observed_value") == MASK:
        return "a value that is not shown: a column is personal"
    return observed_text(rule, found, error)
