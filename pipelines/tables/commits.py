"""Commits of a Delta table as its log on disk tells them: who made them, what was taken back.

A table that was set back by RESTORE keeps the commits before that, and Delta remembers the
transactions it has seen: rows of a step can be gone while all records say that they are there.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.checksum import read_verified
from pipelines.storage.place import RemotePath, place

LOG = "_delta_log"
# of a commit, where the rest is one line for each data file
_ABOUT = ('{"commitInfo":', '{"txn":')
# Delta's operations that only lay files out anew or delete dead ones
_UPKEEP = ("OPTIMIZE", "VACUUM START", "VACUUM END")
_FILE_ACTIONS = ("add", "remove")


def versions(path: str | Path) -> list[int]:
    """Give the committed versions in the log of the table at ``path``, ascending."""
    return sorted(int(entry.stem) for entry in (place(path) / LOG).glob("[0-9]*.json"))


def commit_path(path: str | Path, version: int) -> Path:
    """Give the file of one commit."""
    return place(path) / LOG / f"{version:020d}.json"


def last_commit(path: str | Path, is_it: Callable[[dict[str, Any]], bool]) -> int | None:
    """Give the last version with a ``commitInfo`` or ``txn`` action that ``is_it`` knows."""
    for version in reversed(versions(path)):
        if any(is_it(action) for action in _actions(path, version)):
            return version
    return None


def maker_of(path: str | Path, version: int) -> str:
    """Give the name of the step's execution that made a commit; empty if none of ours did."""
    for action in _actions(path, version):
        if "commitInfo" in action:
            return action["commitInfo"].get("userMetadata") or ""
    return ""


def made_at(path: str | Path, maker: str) -> datetime | None:
    """Give when a step's execution made its last commit; None if it made none."""
    made = last_commit(path, lambda action: is_made_by(action, maker))
    for action in [] if made is None else _actions(path, made):
        if "timestamp" in action.get("commitInfo", {}):
            return datetime.fromtimestamp(action["commitInfo"]["timestamp"] / 1000, UTC)
    return None


def is_made_by(action: dict[str, Any], maker: str) -> bool:
    """Say whether an action names a step's execution as the one that made its commit."""
    return action.get("commitInfo", {}).get("userMetadata") == maker


def read_actions(commit: Path) -> Iterator[dict[str, Any]]:
    """Give all actions of the file of one commit.

    Raises:
        TableError: The file was altered.
    """
    for line in read_verified(commit).decode().splitlines():
        yield json.loads(line)


def content_version(path: str | Path, version: int) -> int:
    """Give the version that wrote the rows that ``version`` holds: upkeep changes none.

    A commit is upkeep if it says so and each of its files is marked as no change of data.
    """
    while version and commit_path(path, version).exists() and _is_upkeep(path, version):
        version -= 1
    return version


def _is_upkeep(path: str | Path, version: int) -> bool:
    first: dict[str, Any] = json.loads(_first_line(commit_path(path, version)) or "{}")
    # delta-rs says who it is in the last line of its commits
    if "commitInfo" in first and first["commitInfo"].get("operation") not in _UPKEEP:
        return False
    actions = list(read_actions(commit_path(path, version)))
    named = [action["commitInfo"].get("operation") for action in actions if "commitInfo" in action]
    kinds = {kind for action in actions for kind in action} - {"commitInfo", "txn"}
    files = [action[kind] for action in actions for kind in _FILE_ACTIONS if kind in action]
    is_said = len(named) == 1 and named[0] in _UPKEEP and kinds <= {*_FILE_ACTIONS}
    return is_said and not any(file.get("dataChange", True) for file in files)


def _first_line(path: Path) -> str:
    if isinstance(path, RemotePath):
        return path.read_text().partition("\n")[0]
    with path.open() as file:
        return file.readline()


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
