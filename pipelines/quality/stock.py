"""What Great Expectations makes of a frame by itself, and how it puts results together."""

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

from pipelines.quality.replay import RESULT_FORMAT


def run_stock(
    suite: ExpectationSuite, rows: DataFrame, table: str, result_format: str = "BASIC"
) -> list[ExpectationValidationResult]:
    """Evaluate a suite by Great Expectations alone: one Spark job or more for each expectation.

    The same as ``ValidationDefinition.run``, which can't be given a frame without writing a data
    source into the project file first. Results come in the order of the suite.
    """
    engine = SparkDFExecutionEngine(persist=False, spark=rows.sparkSession, caching=False)
    data: Any = rows
    batch = Batch(data=data, batch_definition=batch_of(table))
    validator = Validator(execution_engine=engine, batches=[batch])
    validator.metrics_calculator.show_progress_bars = False
    found = validator.graph_validate(
        configurations=suite.expectation_configurations,
        runtime_configuration={"result_format": {**RESULT_FORMAT, "result_format": result_format}},
    )
    return sorted(found, key=lambda item: meta_of(item)["position"])


def suite_result(
    suite: ExpectationSuite, results: list[ExpectationValidationResult], table: str
) -> ExpectationSuiteValidationResult:
    """Give the result of a suite as its validator makes it of the results of its expectations."""
    numbers = calc_validation_statistics(results)
    batch = batch_of(table)
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


def meta_of(item: ExpectationValidationResult) -> dict[str, Any]:
    """Give what travels with an expectation: rule, columns, severity, ..."""
    config: Any = item.expectation_config
    return config.meta


def batch_of(table: str) -> LegacyBatchDefinition:
    """Give the name under which Great Expectations knows a table version."""
    return LegacyBatchDefinition(
        datasource_name="spark",
        data_connector_name="delta",
        data_asset_name=table,
        batch_identifiers=IDDict(),
    )
