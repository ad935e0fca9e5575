"""Sizes, ages and the deletion of files, wherever they lie."""

import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.storage.place import RemotePath

_THREADS = 8


def sizes_of(folder: Path, files: Iterable[Path]) -> dict[Path, int]:
    """Give the sizes in bytes of those of ``files``, in ``folder`` or below, that are there."""
    if isinstance(folder, RemotePath):
        # one list in place of a request for each
        sizes: dict[Path, int] = {
            folder / name: facts.num_bytes for name, facts in folder.facts_below().items()
        }
        return {file: sizes[file] for file in sorted(files) if file in sizes}
    return {file: file.stat().st_size for file in sorted(files) if file.is_file()}


def last_change(folder: Path) -> float:
    """Give when something in a folder was changed last, in seconds since 1970.

    On S3 and HDFS files count only; a folder without any has changed just now, for all one knows.
    """
    if isinstance(folder, RemotePath):
        times = (facts.changed_at_s for facts in folder.facts_below().values())
        return max(times, default=float("inf"))
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def remove_folder(folder: Path) -> None:
    """Take a folder away, with all below it."""
    if isinstance(folder, RemotePath):
        folder.remove_tree()
    else:
        shutil.rmtree(folder)


def remove_files(files: Sequence[Path]) -> None:
    """Take files away, local ones in their order; what is gone already is passed over."""
    if files and isinstance(files[0], RemotePath):
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(_remove, files))
        return
    for file in files:
        _remove(file)


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
