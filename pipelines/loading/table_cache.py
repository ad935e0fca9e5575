"""Remote tables on a local disk: each file fetched once, whole or not at all, within a bound.

The files of a Delta table never change, so a copy is as good as the file for as long as its size
is the log's. Ranks of one machine share the copies; one of them fetches while the others wait.
What is in use by a process is not deleted for another table's sake.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem

from pipelines.errors import ParameterError, TableError
from pipelines.loading.delta_log import live_files, log_version

_THREADS = 4
_PIECE = 8 * 2**20
_IN_USE = ".in-use"
# locks of the copies that this process may read: the system frees them if it dies
_held: list[int] = []


def is_remote(path: str) -> bool:
    """Say whether a table lies elsewhere than in a local folder."""
    return "://" in path


def fetch_table(url: str, version: int, cache: Path, limit_mb: int) -> str:
    """Bring a version of a remote table to the local disk and give the folder it stands in.

    Args:
        url: Folder of the table, as pyarrow.fs.FileSystem.from_uri takes it (``s3://bucket/table``,
            ``hdfs://``, ``file://``), with credentials found in the usual places.
        version: What is fetched: its log and its live files.
        cache: Folder of copies, of several tables and versions.
        limit_mb: What all copies may take up; tables that nobody uses give way, oldest first.

    Raises:
        ParameterError: The table does not fit.
        TableError: The table or version is not there, or a file is not what the log says.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _plain_errors(f"{url}@v{version}"), _locked(cache / ".lock"):
        system, root = FileSystem.from_uri(url.replace("s3a://", "s3://", 1))
        folder = cache / hashlib.sha256(url.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        (folder / _IN_USE).write_bytes(b"")  # also says when it was used last
        _fetch_log(system, root, folder, version)
        sizes = {Path(file.path): file.size for file in live_files(str(folder), version)}
        missing = [path for path, size in sizes.items() if not _has_size(path, size)]
        num_bytes = sum(sizes[path] for path in missing)
        _make_room(cache, folder, set(sizes), num_bytes, limit_mb * 10**6)
        _held.append(os.open(folder / _IN_USE, os.O_RDONLY))
        fcntl.flock(_held[-1], fcntl.LOCK_SH)
        if missing:
            sys.stderr.write(f"cache: {len(missing)} files, {num_bytes / 1e6:,.0f} MB of {url}\n")
        with ThreadPoolExecutor(_THREADS) as pool:
            list(
                pool.map(
                    lambda path: _fetch(
                        system, f"{root}/{path.relative_to(folder)}", path, sizes[path]
                    ),
                    missing,
                )
            )
    return str(folder)


def release_tables() -> None:
    """Say that this process reads no copy any more; its end says so too."""
    while _held:
        os.close(_held.pop())


def _fetch_log(system: Any, root: str, folder: Path, version: int) -> None:
    (folder / "_delta_log").mkdir(exist_ok=True)
    for info in system.get_file_info(FileSelector(f"{root}/_delta_log")):
        number = log_version(info.base_name)
        copy = folder / "_delta_log" / info.base_name
        if number is not None and number <= version and not _has_size(copy, info.size):
            _fetch(system, info.path, copy, info.size)


def _fetch(system: Any, source: str, copy: Path, size: int) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    scratch = copy.with_name(f".{copy.name}.tmp")  # one process fetches at a time
    try:
        with system.open_input_stream(source) as remote, scratch.open("wb") as local:
            shutil.copyfileobj(remote, local, _PIECE)
        if not _has_size(scratch, size):
            raise TableError(
                f"{source}: expected {size} bytes by the log; got {scratch.stat().st_size}. The "
                "file was altered: make the table again"
            )
        scratch.replace(copy)
    finally:
        scratch.unlink(missing_ok=True)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _make_room(cache: Path, folder: Path, live: set[Path], num_bytes: int, limit: int) -> None:
    """Delete what no process uses until ``num_bytes`` fit: old versions, then older tables."""
    tables = sorted(cache.glob(f"*/{_IN_USE}"), key=lambda mark: mark.stat().st_mtime)
    others = [mark.parent for mark in tables if mark.parent != folder]
    candidates = [(folder, [path for path in _data_files(folder) if path not in live])]
    candidates += [(other, [other]) for other in others]
    for table, paths in candidates:
        if _used(cache) + num_bytes <= limit:
            return
        if not _is_in_use(table):
            for path in paths:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    used = _used(cache)
    if used + num_bytes > limit:
        raise ParameterError(
            f"expected copies of remote tables to fit into {limit // 10**6} MB; {cache} holds "
            f"{used / 1e6:,.1f} MB that are in use, and {num_bytes / 1e6:,.1f} MB are to come. "
            "Allow more (--cache-mb), or wait until the other training has ended"
        )


def _is_in_use(folder: Path) -> bool:
    with (folder / _IN_USE).open("r") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _used(cache: Path) -> int:
    return sum(path.stat().st_size for path in _files(cache))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _data_files(folder: Path) -> list[Path]:
    inside = (path for path in _files(folder) if path.name != _IN_USE)
    return [path for path in inside if path.parent.name != "_delta_log"]


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _plain_errors(table: str) -> Generator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise TableError(
            f"{table}: expected a table that can be read; got {error}. Check the address, the "
            "credentials, and the space on the disk of the cache"
        ) from error
