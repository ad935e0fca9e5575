"""Run one table's suite on a frame and say what came of it."""

from dataclasses import dataclass
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

from pipelines.quality.engine import NUM_SAMPLES, FusedSparkEngine
from pipelines.quality.expectations import build_suite
from pipelines.quality.report import CheckOutcome, QualityReport
from pipelines.quality.wording import error_text, observed_text, sample_value
from schemas.contract import TableSpec

_FORMAT = {
    "result_format": "BASIC",
    "partial_unexpected_count": NUM_SAMPLES,
    "return_unexpected_index_query": False,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """One table's report beside what Great Expectations keeps and shows of it."""

    report: QualityReport
    suite: ExpectationSuite
    result: ExpectationSuiteValidationResult


def check_table(rows: DataFrame, spec: TableSpec, table: str) -> Checked:
    """Run the checks of ``spec`` on ``rows``; ``table`` names them, as path@version.

    A check that raises has failed. Starts a few Spark jobs, however many checks there are, and
    one more for the samples of each failed check. Values of personal columns stay in Spark.

    Raises:
        ContractError: The table has no checks, or one that can't be said.
    """
    suite = build_suite(spec)
    personal = {column.name for column in spec.columns if column.is_personal}
    result = run_suite(suite, FusedSparkEngine(rows, personal), rows, table)
    checks = [_outcome(item) for item in result.results]
    success = len(checks) == len(suite.expectations) > 0 and not any(
        check.severity == "error" and not check.success for check in checks
    )
    return Checked(QualityReport(table, suite.name, success, tuple(checks)), suite, result)


def run_suite(
    suite: ExpectationSuite, engine: SparkDFExecutionEngine, rows: DataFrame, table: str
) -> ExpectationSuiteValidationResult:
    """Evaluate a suite on ``rows`` with one engine; results in the order of the suite.

    The same as ``ValidationDefinition.run``, which can't be given an engine or a frame without
    writing a data source into the project file first.
    """
    definition = LegacyBatchDefinition(
        datasource_name="spark",
        data_connector_name="delta",
        data_asset_name=table,
        batch_identifiers=IDDict(),
    )
    data: Any = rows
    batch = Batch(data=data, batch_definition=definition)
    validator = Validator(execution_engine=engine, batches=[batch])
    validator.metrics_calculator.show_progress_bars = False
    found = validator.graph_validate(
        configurations=suite.expectation_configurations,
        runtime_configuration={"result_format": dict(_FORMAT)},
    )
    found.sort(key=lambda item: _meta(item)["position"])
    numbers = calc_validation_statistics(found)
    return ExpectationSuiteValidationResult(
        results=found,
        success=numbers.success,
        suite_name=suite.name,
        statistics={name: value for name, value in numbers._asdict().items() if name != "success"},
        meta={
            "great_expectations_version": great_expectations.__version__,
            "batch_spec": {"data_asset_name": table},
            "active_batch_definition": convert_to_json_serializable(definition),
            "batch_markers": batch.batch_markers,
        },
        batch_id=validator.active_batch_id,
    )


def _meta(item: ExpectationValidationResult) -> dict[str, Any]:
    config: Any = item.expectation_config
    return config.meta


def _outcome(item: ExpectationValidationResult) -> CheckOutcome:
    config: Any = item.expectation_config
    meta, found = _meta(item), item.result or {}
    error = error_text(item.exception_info)
    samples = found.get("partial_unexpected_list") or []
    return CheckOutcome(
        rule=meta["rule"],
        columns=tuple(meta["columns"]),
        severity=meta["severity"],
        success=bool(item.success) and not error,
        expected=meta["expected"],
        observed=observed_text(meta["rule"], found, error),
        unexpected_count=found.get("unexpected_count"),
        element_count=found.get("element_count"),
        expectation=config.type,
        reason=meta["reason"],
        owner=meta["owner"],
        samples=tuple(sample_value(value) for value in samples),
        error=error,
    )
