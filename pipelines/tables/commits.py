"""Commits of a Delta table as its log on disk tells them: who made them, what was taken back.

A table that was set back by RESTORE keeps the commits before that, and Delta remembers the
transactions it has seen: rows of a step can be gone while all records say that they are there.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.checksum import read_verified

LOG = "_delta_log"
# of a commit, where the rest is one line for each data file
_ABOUT = ('{"commitInfo":', '{"txn":')


def versions(path: str | Path) -> list[int]:
    """Give the committed versions in the log of the table at ``path``, ascending."""
    return sorted(int(entry.stem) for entry in Path(path, LOG).glob("[0-9]*.json"))


def commit_path(path: str | Path, version: int) -> Path:
    """Give the file of one commit."""
    return Path(path, LOG, f"{version:020d}.json")


def last_commit(path: str | Path, is_it: Callable[[dict[str, Any]], bool]) -> int | None:
    """Give the last version with a ``commitInfo`` or ``txn`` action that ``is_it`` knows."""
    for version in reversed(versions(path)):
        if any(is_it(action) for action in _actions(path, version)):
            return version
    return None


def is_taken_back(path: str | Path, version: int) -> bool:
    """Say whether a later RESTORE went back to before ``version``.

    Delta protocol, "Commit Provenance Information". A RESTORE to a time counts as one: the log does
    not say to which version.
    """
    return any(
        _goes_before(action["commitInfo"], version)
        for later in versions(path)
        if later > version
        for action in _actions(path, later)
        if "commitInfo" in action
    )


def _goes_before(commit_info: dict[str, Any], version: int) -> bool:
    if commit_info.get("operation") != "RESTORE":
        return False
    target = (commit_info.get("operationParameters") or {}).get("version")
    return target is None or int(target) < version


def _actions(path: str | Path, version: int) -> Iterator[dict[str, Any]]:
    for line in read_verified(commit_path(path, version)).decode().splitlines():
        if line.startswith(_ABOUT):
            yield json.loads(line)
