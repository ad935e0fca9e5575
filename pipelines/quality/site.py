"""Data Docs whose cost does not grow with the number of results that are there.

Stock lists the whole folder of results for a page, and reads every result for the index:
at 1,000 of them 7 s for one more. Here a page is made of the result that is named, and the index of
the lines that were kept of the last results. Both classes are named in the project's
``great_expectations.yml``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.render.renderer.site_builder import (
    DefaultSiteIndexBuilder,
    DefaultSiteSectionBuilder,
)

from pipelines.state import read_json, write_json

LISTED = 100
LINES = "data_docs_index.json"


def keep_lines(folder: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Put new results before the ones that the index lists; the oldest leave it.

    Args:
        folder: The project's.
        lines: ``key`` (of the store, as a list), ``success`` and ``table`` of each.
    """
    path = folder / LINES
    known: list[Mapping[str, Any]] = read_json(path) if path.exists() else []
    write_json(path, [*lines, *known][:LISTED])


class NamedSectionBuilder(DefaultSiteSectionBuilder):
    """Pages of the results and suites that are named; of all if none is."""

    def build(self, resource_identifiers: Any = None) -> None:
        """Make the pages, as stock does but for looking at every key of the store."""
        if resource_identifiers:
            is_result = self.name == "validations"
            kind = ValidationResultIdentifier if is_result else ExpectationSuiteIdentifier
            keys = [key for key in resource_identifiers if isinstance(key, kind)]
            store: Any = _Named(self.source_store, keys)
            self.source_store = store
        super().build(resource_identifiers)


class _Named:
    """A store that holds only the keys that are named."""

    def __init__(self, store: Any, keys: Sequence[Any]) -> None:
        self._store, self._keys = store, keys

    def list_keys(self) -> list[Any]:
        return list(self._keys)

    def get(self, key: Any) -> Any:
        return self._store.get(key)


class KnownIndexBuilder(DefaultSiteIndexBuilder):
    """An index of the last results, from lines that were kept of them."""

    @property
    def _lines(self) -> list[dict[str, Any]] | None:
        path = Path(str(self.data_context.root_directory), LINES)
        return read_json(path) if path.exists() else None

    def _build_validation_and_profiling_result_site_keys(
        self,
        skip_and_clean_missing: bool,  # noqa: FBT001  stock's
    ) -> list[ValidationResultIdentifier]:
        if self._lines is not None:
            return []
        return super()._build_validation_and_profiling_result_site_keys(skip_and_clean_missing)

    def _add_validations_to_index_links(
        self, index_links_dict: Any, validation_and_profiling_result_site_keys: Any
    ) -> None:
        lines = self._lines
        if lines is None:
            super()._add_validations_to_index_links(
                index_links_dict, validation_and_profiling_result_site_keys
            )
        for line in lines or ():
            key = ValidationResultIdentifier.from_tuple(tuple(line["key"]))
            self.add_resource_info_to_index_links_dict(
                index_links_dict=index_links_dict,
                expectation_suite_name=key.expectation_suite_identifier.name,
                section_name="validations",
                batch_identifier=key.batch_identifier,
                run_id=key.run_id,
                validation_success=line["success"],
                run_time=key.run_id.run_time,
                run_name=key.run_id.run_name,
                asset_name=line["table"],
                batch_spec={"data_asset_name": line["table"]},
            )
