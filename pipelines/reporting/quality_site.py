"""The pages of checks of one data set: one for each run, and an index that grows by one line.

    validations/NAME.json   what one validation found, written once
    runs/RUN/               index.html, and run.json: the run's validations, when each was made
    entries/00000.json      a line for each of a hundred runs
    index.html              the newest one or two hundred; index-00000.html and so on the others

Adding a run reads and writes two files of lines, however many runs there are.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.lock import hold_lock
from pipelines.reporting.quality_page import PageFacts, render_index, render_run
from pipelines.reporting.quality_view import count_failed
from pipelines.state import read_json, write_bytes, write_json
from pipelines.storage.place import RemotePath

RUNS_A_FILE = 100
_NAME = re.compile(r"[A-Za-z0-9_][\w.:+-]{0,199}", re.ASCII)
_MAX_DRIFT = 20


@dataclass(frozen=True, slots=True)
class QualitySite:
    """Where the pages are (``folder``), where Data Docs and drift are, and what to call them."""

    dataset: str
    title: str
    folder: Path
    docs: Path
    drift: Path

    @classmethod
    def of(cls, layout: Layout, title: str) -> "QualitySite":
        """Give the site of a data set, at its places under the root."""
        places = (layout.quality_pages, layout.quality, layout.drift_pages)
        return cls(layout.dataset, title, *places)

    def record_path(self, validation: str) -> Path:
        """File of what one validation found."""
        return self.folder / "validations" / f"{validation}.json"

    def page_path(self, run: str) -> Path:
        """Page of one run."""
        return self.folder / "runs" / run / "index.html"


def check_run_name(run: str) -> None:
    """Raise ``ParameterError`` unless ``run`` can be the name of a folder."""
    if run and not _NAME.fullmatch(run):
        raise ParameterError(
            "--run: expected a name of up to 200 letters, digits and _ . : + -, such as Airflow's "
            f"run_id; got {run!r}"
        )


def add_validation(site: QualitySite, run: str, validation: str) -> Path:
    """Make the page of a run that one more validation belongs to, and its line in the index.

    Repeated, it leaves the same pages. One process at a time writes; others wait.

    Args:
        site: Where the pages are; the validation's record is there already.
        run: Name of the run; of a validation that stands alone, its own.
        validation: Name of the record.

    Returns:
        The run's page.
    """
    page = site.page_path(run)
    with hold_lock(site.folder / ".lock", f"the pages {site.folder}"):
        members = page.with_name("run.json")
        is_new = not members.exists()
        known: dict[str, str] = {} if is_new else read_json(members)["validations"]
        made = read_json(site.record_path(validation))
        is_shown = known.get(validation) == made["checked_at"] and page.exists()
        if is_shown and (site.folder / "index.html").exists():
            return page
        others = [site.record_path(name) for name in known if name != validation]
        records = [*(read_json(path) for path in others if path.exists()), made]
        records.sort(key=lambda record: record["checked_at"])
        facts = PageFacts(
            site.title, _leads(site.docs, page.parent), _leads(site.folder, page.parent)
        )
        write_bytes(page, render_run(run, records, facts).encode())
        _enter(site, _entry(run, records), is_new=is_new)
        # last: a run that was killed before is added again
        shown = {record["validation"]: record["checked_at"] for record in records}
        write_json(members, {"run": run, "validations": shown})
    return page


def refresh_index(site: QualitySite) -> Path:
    """Make the index anew from its last lines, e.g. to link a page of drift."""
    with hold_lock(site.folder / ".lock", f"the pages {site.folder}"):
        numbers = _numbers(site)
        return _write_index(site, numbers[-1] if numbers else 0)


def _entry(run: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    tables = [table for record in records for table in record["tables"]]
    errors = sum(count_failed(table, "error") for table in tables)
    warnings = sum(count_failed(table, "warning") for table in tables)
    last = next(iter(records[-1]["tables"]))
    return {
        "run": run,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "verdict": "bad" if errors else "warn" if warnings else "good",
        "errors": errors,
        "warnings": warnings,
        "set_aside": sum(sum(table["quarantined"].values()) for table in tables),
        "checks": sum(len(table["checks"]) for table in tables),
        "tables": len(tables),
        "table": f"{last['layer']}/{last['name']}",
        "version": last["version"],
        "rows": last["rows"],
    }


def _enter(site: QualitySite, entry: dict[str, Any], *, is_new: bool) -> None:
    """Put a run's line where it is, or at the end; make the pages of what changed."""
    numbers = _numbers(site)
    last = numbers[-1] if numbers else 0
    # a run that is not new stands almost always in the newest file
    for number in numbers[-1:] if is_new else reversed(numbers):
        entries = _read_entries(site, number)
        place = next((i for i, item in enumerate(entries) if item["run"] == entry["run"]), None)
        if place is not None:
            entries[place] = entry
            _write_entries(site, number, entries, last)
            return
    entries = _read_entries(site, last)
    if len(entries) >= RUNS_A_FILE:
        last, entries = last + 1, []
    _write_entries(site, last, [*entries, entry], last)


def _write_entries(
    site: QualitySite, number: int, entries: Sequence[dict[str, Any]], last: int
) -> None:
    write_json(_entries_path(site, number), entries)
    if len(entries) >= RUNS_A_FILE:
        facts = PageFacts(site.title, _leads(site.docs, site.folder), ".")
        page = site.folder / f"index-{number:05d}.html"
        write_bytes(page, render_index(entries, facts, [], []).encode())
    _write_index(site, last)


def _write_index(site: QualitySite, last: int) -> Path:
    shown = [*(_read_entries(site, last - 1) if last else []), *_read_entries(site, last)]
    older = [f"index-{number:05d}.html" for number in range(last - 1)]
    facts = PageFacts(site.title, _leads(site.docs, site.folder), ".")
    drift = _drift_pages(site.drift, site.folder)
    index = site.folder / "index.html"
    write_bytes(index, render_index(shown, facts, older, drift).encode())
    return index


def _entries_path(site: QualitySite, number: int) -> Path:
    return site.folder / "entries" / f"{number:05d}.json"


def _numbers(site: QualitySite) -> list[int]:
    return sorted(int(path.stem) for path in (site.folder / "entries").glob("[0-9]*.json"))


def _read_entries(site: QualitySite, number: int) -> list[dict[str, Any]]:
    path = _entries_path(site, number)
    return read_json(path) if path.exists() else []


def _drift_pages(folder: Path, start: Path) -> list[dict[str, Any]]:
    """Give the newest pages of drift with what they say; one that can't be read is left out."""
    if not folder.is_dir():
        return []
    pages: list[dict[str, Any]] = []
    for found in _newest(folder):
        page = found / "index.html"
        try:
            said = json.loads(page.with_name("drift.json").read_text())
        except (OSError, ValueError):
            continue
        if page.is_file() and isinstance(said, dict):
            pages.append({**said, "link": _leads(page, start)})
    return pages


def _newest(folder: Path) -> list[Path]:
    if isinstance(folder, RemotePath):
        # folders have no time there
        return [folder / name for name in reversed(sorted(folder.names())[-_MAX_DRIFT:])]
    with os.scandir(folder) as found:
        places = sorted(found, key=lambda item: (item.stat().st_mtime, item.name))
    return [Path(place.path) for place in reversed(places[-_MAX_DRIFT:])]


def _leads(target: Path, start: Path) -> str:
    """Relative, so that the root may move."""
    return Path(os.path.relpath(str(target), str(start))).as_posix()
