"""Check one table: numbers that rode on its write, one job for the rest, and Great Expectations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import great_expectations
from great_expectations import ExpectationSuite
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.core.batch import Batch, LegacyBatchDefinition
from great_expectations.core.id_dict import IDDict
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from great_expectations.util import convert_to_json_serializable
from great_expectations.validator.validation_statistics import calc_validation_statistics
from great_expectations.validator.validator import Validator
from pyspark.sql import DataFrame

from pipelines.quality.buckets import resolve_distribution
from pipelines.quality.checks import single_checks, suite_name
from pipelines.quality.expectations import build_suite
from pipelines.quality.fit_buckets import fit_buckets
from pipelines.quality.history import resolve_bounds
from pipelines.quality.masking import MASK, is_shown, masked_error, masked_result
from pipelines.quality.measures import Numbers, broken_name, needed_names
from pipelines.quality.replay import RESULT_FORMAT, Known, replay
from pipelines.quality.report import CheckOutcome, QualityReport
from pipelines.quality.samples import sample_broken
from pipelines.quality.survey import survey
from pipelines.quality.wording import error_text, observed_text, sample_value
from schemas.contract import Check, TableSpec


@dataclass(frozen=True, slots=True)
class Asked:
    """What a check of a table may need beside its rows.

    ``known`` are numbers that rode on its write; ``others`` tables of the same layer by name;
    ``history`` the numbers of earlier versions that passed, newest last; ``champion`` those of the
    version that the champion was trained on.
    """

    table: str
    known: Numbers = field(default_factory=dict)
    others: Mapping[str, DataFrame] = field(default_factory=dict)
    history: Sequence[Numbers] = ()
    champion: Numbers = field(default_factory=dict)
    written_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Checked:
    """One table's report beside what Great Expectations keeps and shows of it."""

    report: QualityReport
    suite: ExpectationSuite
    result: ExpectationSuiteValidationResult
    numbers: Numbers


def check_table(rows: DataFrame, spec: TableSpec, asked: Asked) -> Checked:
    """Run the checks of ``spec`` on ``rows``.

    A check that raises has failed. What did not ride on the write takes one Spark job, and the
    samples of all failed checks together one more. Values of personal columns stay in Spark.

    Raises:
        ContractError: The table has no checks, or one that can't be said.
    """
    checks = [
        resolve_distribution(resolve_bounds(check, asked.history), asked.history, asked.champion)
        for check in single_checks(spec)
    ]
    checks = fit_buckets(rows, checks)
    suite = build_suite(suite_name(spec), checks, spec.columns, asked.written_at)
    personal = frozenset(column.name for column in spec.columns if column.is_personal)
    numbers, errors = _numbers(rows, checks, asked, personal)
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
    result = _suite_result(suite, results, asked.table)
    pairs = zip(results, checks, strict=True)
    outcomes = tuple(_outcome(item, samples.get(broken_name(check))) for item, check in pairs)
    success = len(outcomes) == len(checks) > 0 and not any(
        outcome.severity != "warning" and not outcome.success for outcome in outcomes
    )
    return Checked(
        QualityReport(asked.table, suite.name, success, outcomes), suite, result, numbers
    )


def run_stock(
    suite: ExpectationSuite, rows: DataFrame, table: str, result_format: str = "BASIC"
) -> list[ExpectationValidationResult]:
    """Evaluate a suite by Great Expectations alone: one Spark job or more for each expectation.

    The same as ``ValidationDefinition.run``, which can't be given a frame without writing a data
    source into the project file first. Results come in the order of the suite.
    """
    engine = SparkDFExecutionEngine(persist=False, spark=rows.sparkSession, caching=False)
    data: Any = rows
    batch = Batch(data=data, batch_definition=_batch(table))
    validator = Validator(execution_engine=engine, batches=[batch])
    validator.metrics_calculator.show_progress_bars = False
    found = validator.graph_validate(
        configurations=suite.expectation_configurations,
        runtime_configuration={"result_format": {**RESULT_FORMAT, "result_format": result_format}},
    )
    return sorted(found, key=lambda item: _meta(item)["position"])


def _numbers(
    rows: DataFrame, checks: Sequence[Check], asked: Asked, personal: frozenset[str]
) -> tuple[Numbers, dict[str, str]]:
    """Numbers by name, and for those that could not be had what stood in the way."""
    obstacles = {check: _obstacle(check, rows, asked.others) for check in checks}
    possible = [check for check, obstacle in obstacles.items() if not obstacle]
    found = survey(rows, possible, asked.known, asked.others)
    said = {name: masked_error(name, error, personal) for name, error in found.errors.items()}
    for check, obstacle in obstacles.items():
        if obstacle:
            said |= dict.fromkeys(needed_names(check), obstacle)
    return {**asked.known, **found.numbers}, said


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


def _batch(table: str) -> LegacyBatchDefinition:
    return LegacyBatchDefinition(
        datasource_name="spark",
        data_connector_name="delta",
        data_asset_name=table,
        batch_identifiers=IDDict(),
    )


def _suite_result(
    suite: ExpectationSuite, results: list[ExpectationValidationResult], table: str
) -> ExpectationSuiteValidationResult:
    numbers = calc_validation_statistics(results)
    batch = _batch(table)
    return ExpectationSuiteValidationResult(
        results=results,
        success=numbers.success,
        suite_name=suite.name,
        statistics={name: value for name, value in numbers._asdict().items() if name != "success"},
        meta={
            "great_expectations_version": great_expectations.__version__,
            "batch_spec": {"data_asset_name": table},
            "active_batch_definition": convert_to_json_serializable(batch),
        },
        batch_id=str(batch.id),
    )


def _meta(item: ExpectationValidationResult) -> dict[str, Any]:
    config: Any = item.expectation_config
    return config.meta


def _outcome(
    item: ExpectationValidationResult, samples: Sequence[Any] | None = None
) -> CheckOutcome:
    config: Any = item.expectation_config
    meta, found = _meta(item), item.result or {}
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
