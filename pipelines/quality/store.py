"""Great Expectations' project folder of one data set: suites, results and Data Docs.

The folder can be opened with ``great_expectations.get_context(context_root_dir=...)``.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
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
from great_expectations.exceptions.exceptions import GreatExpectationsError

from pipelines.lock import hold_lock
from pipelines.quality.actions import run_actions
from pipelines.quality.report import QualityReport
from pipelines.quality.runner import Checked
from pipelines.quality.site import LINES, keep_lines
from pipelines.state import write_bytes
from pipelines.storage.copies import work_folder
from pipelines.storage.place import RemotePath

_CONFIG = "great_expectations.yml"
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
      module_name: pipelines.quality.site
      class_name: KnownIndexBuilder
      validation_results_limit: 100
      view: {module_name: pipelines.quality.pages, class_name: OfflinePageView}
    site_section_builders:
      expectations:
        module_name: pipelines.quality.site
        class_name: NamedSectionBuilder
        view: {module_name: pipelines.quality.pages, class_name: OfflinePageView}
      validations:
        module_name: pipelines.quality.site
        class_name: NamedSectionBuilder
        view: {module_name: pipelines.quality.pages, class_name: OfflinePageView}
      profiling: none
"""


def store_results(checked: Sequence[Checked], folder: Path) -> tuple[QualityReport, ...]:
    """Keep suites and results under ``folder`` and write their Data Docs pages and the index.

    Pages of earlier results stay as they are. One process at a time writes; others wait. Then the
    actions of the project's checkpoints run; one that fails is a warning.

    Returns:
        The reports in the same order, each with the path of its page.

    Raises:
        OSError: The folder can't be written.
    """
    lock = hold_lock(folder / ".lock", f"the folder {folder}")
    with lock, work_folder(folder, _wanted(folder)) as local, _plain_errors(folder):
        context = _open(local)
        run_time = datetime.now(UTC)
        kept = {_keep(item, context, run_time): item for item in checked}
        keep_lines(local, [_index_line(key, item) for key, item in reversed(kept.items())])
        suites: list[Any] = [ExpectationSuiteIdentifier(item.suite.name) for item in checked]
        context.build_data_docs(resource_identifiers=[*kept, *suites])
        reports = [
            replace(item.report, data_docs=_page(context, key, local)) for key, item in kept.items()
        ]
        for line in run_actions(context, {key: item.result for key, item in kept.items()}):
            sys.stderr.write(f"warning: {line}\n")
    return tuple(reports)


def _wanted(folder: Path) -> list[str]:
    """Files of the project that one more result needs, where the project lies elsewhere."""
    if not isinstance(folder, RemotePath):
        return []
    parts = ("suites", "checkpoints", "plugins")
    below = [f"{part}/{name}" for part in parts for name in (folder / part).files_below()]
    return [_CONFIG, LINES, *below]


def _open(folder: Path) -> FileDataContext:
    config = folder / _CONFIG
    if not config.exists():
        write_bytes(config, _PROJECT.encode())
    return great_expectations.get_context(context_root_dir=str(folder), mode="file")


def _keep(
    item: Checked, context: FileDataContext, run_time: datetime
) -> ValidationResultIdentifier:
    run = RunIdentifier(run_name=_run_name(item.report.table), run_time=run_time)
    item.result.meta |= {"run_id": run, "validation_time": run.run_time}
    suite = ExpectationSuiteIdentifier(item.suite.name)
    # not add_or_update: it holds each check against each known one, seconds for a wide table; nor
    # suites.delete: it reads the file, of which a process that was killed may have left half
    context.stores["suites"].remove_key(suite)
    context.suites.add(item.suite)
    key = ValidationResultIdentifier(
        expectation_suite_identifier=suite,
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


def _index_line(key: ValidationResultIdentifier, item: Checked) -> dict[str, Any]:
    return {"key": key.to_tuple(), "success": bool(item.result.success), "table": item.report.table}


@contextmanager
def _plain_errors(folder: Path) -> Generator[None]:
    try:
        yield
    except GreatExpectationsError as error:
        raise OSError(f"Great Expectations can't write under {folder}: {error}") from error
