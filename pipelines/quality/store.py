"""Great Expectations' project folder of one data set: suites, results and Data Docs.

The folder can be opened with ``great_expectations.get_context(context_root_dir=...)``.
"""

import fcntl
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.data_context.file_data_context import FileDataContext
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.exceptions.exceptions import DataContextError, GreatExpectationsError

from pipelines.quality.report import QualityReport
from pipelines.quality.runner import Checked
from pipelines.state import write_bytes

_SITE = "data_docs"
_PROJECT = """\
# Great Expectations project of one data set; written by pipelines.quality.
config_version: 4.0
analytics_enabled: false
progress_bars:
  globally: false
plugins_directory: plugins
stores:
  suites:
    class_name: ExpectationsStore
    store_backend:
      class_name: TupleFilesystemStoreBackend
      base_directory: suites
  results:
    class_name: ValidationResultsStore
    store_backend:
      class_name: TupleFilesystemStoreBackend
      base_directory: results
  checkpoints:
    class_name: CheckpointStore
    store_backend:
      class_name: TupleFilesystemStoreBackend
      base_directory: checkpoints
  validation_definition_store:
    class_name: ValidationDefinitionStore
    store_backend:
      class_name: TupleFilesystemStoreBackend
      base_directory: validation_definitions
expectations_store_name: suites
validation_results_store_name: results
checkpoint_store_name: checkpoints
data_docs_sites:
  local:
    class_name: SiteBuilder
    show_how_to_buttons: false
    store_backend:
      class_name: TupleFilesystemStoreBackend
      base_directory: data_docs
    site_index_builder:
      class_name: DefaultSiteIndexBuilder
      view: {module_name: pipelines.quality.pages, class_name: OfflinePageView}
    site_section_builders:
      expectations:
        class_name: DefaultSiteSectionBuilder
        view: {module_name: pipelines.quality.pages, class_name: OfflinePageView}
      validations:
        class_name: DefaultSiteSectionBuilder
        view: {module_name: pipelines.quality.pages, class_name: OfflinePageView}
      profiling: none
"""


def store_results(checked: Sequence[Checked], folder: Path) -> tuple[QualityReport, ...]:
    """Keep suites and results under ``folder`` and write their Data Docs pages and the index.

    Pages of earlier results stay as they are. One process at a time writes; others wait.

    Returns:
        The reports in the same order, each with the path of its page.

    Raises:
        OSError: The folder can't be written.
    """
    with _lock(folder), _plain_errors(folder):
        context = _open(folder)
        keys = [_keep(item, context) for item in checked]
        suites: list[Any] = [ExpectationSuiteIdentifier(item.suite.name) for item in checked]
        context.build_data_docs(resource_identifiers=[*keys, *suites])
        return tuple(
            replace(item.report, data_docs=_page(context, key, folder))
            for item, key in zip(checked, keys, strict=True)
        )


def _open(folder: Path) -> FileDataContext:
    config = folder / "great_expectations.yml"
    if not config.exists():
        write_bytes(config, _PROJECT.encode())
    return great_expectations.get_context(context_root_dir=str(folder), mode="file")


def _keep(item: Checked, context: FileDataContext) -> ValidationResultIdentifier:
    run = RunIdentifier(run_name=_run_name(item.report.table), run_time=datetime.now(UTC))
    item.result.meta |= {"run_id": run, "validation_time": run.run_time}
    # not add_or_update: it holds each check against each known one, seconds for a wide table
    with suppress(DataContextError):
        context.suites.delete(item.suite.name)
    context.suites.add(item.suite)
    key = ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(item.suite.name),
        run_id=run,
        batch_identifier=item.result.batch_id,
    )
    context.validation_results_store.store_validation_results(item.result, key)
    return key


def _run_name(table: str) -> str:
    """Last part of ``path@v3`` as a folder name: ``v3``."""
    return table.rpartition("@")[2].rpartition("/")[2]


def _page(context: FileDataContext, key: ValidationResultIdentifier, folder: Path) -> str:
    url = context.get_docs_sites_urls(resource_identifier=key)[0]["site_url"]
    if not url:
        raise FileNotFoundError(f"Great Expectations wrote no page for {key} under {folder}")
    return str(Path(url.removeprefix("file://")).relative_to(folder))


@contextmanager
def _lock(folder: Path) -> Generator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _plain_errors(folder: Path) -> Generator[None]:
    try:
        yield
    except GreatExpectationsError as error:
        raise OSError(f"Great Expectations can't write under {folder}: {error}") from error
