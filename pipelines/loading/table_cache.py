"""Remote tables on a local disk: each file fetched once, whole or not at all, within a bound.

The files of a Delta table never change, so a copy is as good as the file for as long as its size
is the log's. A table that was made anew in the same place has another log: then no copy counts.
Ranks of one machine share the copies; one of them fetches while the others wait. What is in use by
a process is not deleted for another table's sake.
"""

import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow.fs import FileSelector

from pipelines.errors import ParameterError, TableError
from pipelines.loading.delta_log import LiveFile, live_files, log_version
from pipelines.storage.remote import open_remote, plain_errors

_THREADS = 4
_PIECE = 8 * 2**20
_IN_USE = ".in-use"
_SAME_NS = 10**9  # S3 gives the time of an object in seconds
# locks of the copies that this process may read: the system frees them if it dies
_held: list[int] = []


def fetch_table(url: str, version: int, cache: Path, limit_mb: int) -> str:
    """Bring a version of a remote table to the local disk and give the folder it stands in.

    Args:
        url: Folder of the table, see ``open_remote``.
        version: What is fetched: its log and its live files.
        cache: Folder of copies, of several tables and versions.
        limit_mb: What all copies may take up; tables that nobody uses give way, oldest first.

    Raises:
        ParameterError: The table does not fit, or the settings of AWS's tools are wrong.
        TableError: The table or version is not there or can't be reached, a file is not what the
            log says, or the table was made anew while another process reads its copies.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with plain_errors(url, version), _locked(cache / ".lock"):
        system, root = open_remote(url)
        folder = cache / _folder_name(url)
        folder.mkdir(exist_ok=True)
        (folder / _IN_USE).touch()  # also says when it was used last
        _fetch_log(system, root, folder, url, version)
        sizes = {Path(file.path): file.size for file in _live_files(folder, url, version)}
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


def _folder_name(url: str) -> str:
    # readable, since errors name it
    name = re.sub(r"[^\w.-]", "_", url.rstrip("/").rpartition("/")[2])
    return f"{name[:40]}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _live_files(folder: Path, url: str, version: int) -> list[LiveFile]:
    try:
        return live_files(str(folder), version)
    except TableError as error:
        raise TableError(str(error).replace(str(folder), url)) from error


def _fetch_log(system: Any, root: str, folder: Path, url: str, version: int) -> None:
    try:
        listed = system.get_file_info(FileSelector(f"{root}/_delta_log"))
    except FileNotFoundError as error:
        raise TableError(
            f"{url}@v{version}: expected a Delta table; there is no folder _delta_log in it. Run "
            "the step that writes the table, or correct the address"
        ) from error
    numbers = [log_version(info.base_name) for info in listed]
    wanted = [
        (info, folder / "_delta_log" / info.base_name)
        for info, number in zip(listed, numbers, strict=True)
        if number is not None and number <= version
    ]
    if any(copy.exists() and not _is_copy(copy, info) for info, copy in wanted):
        _forget(folder, url)
    for info, copy in wanted:
        if not copy.exists():
            _fetch(system, info.path, copy, info.size)
            if info.mtime_ns is not None:
                os.utime(copy, ns=(info.mtime_ns, info.mtime_ns))


def _is_copy(copy: Path, info: Any) -> bool:
    mtime_ns = copy.stat().st_mtime_ns if info.mtime_ns is None else info.mtime_ns
    return _has_size(copy, info.size) and abs(mtime_ns - copy.stat().st_mtime_ns) < _SAME_NS


def _forget(folder: Path, url: str) -> None:
    """Delete all copies of a table that was made anew."""
    if _is_in_use(folder):
        raise TableError(
            f"{url}: expected the log that the copies in {folder} were made by; it is another: "
            "the table was made anew while another process reads the old one. Wait until that has "
            "ended, or give another --cache"
        )
    for path in _files(folder):
        if path.name != _IN_USE:
            path.unlink()


def _fetch(system: Any, source: str, copy: Path, size: int) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    scratch = copy.with_name(f".{copy.name}.tmp")  # one process fetches at a time
    try:
        with system.open_input_file(source) as remote, scratch.open("wb") as local:
            came, first = remote.size(), _etag(remote)
            if came == size:
                shutil.copyfileobj(remote, local, _PIECE)
                came = local.tell()
        if came != size:
            raise TableError(
                f"{source}: expected {size} bytes by the log; got {came}. The file was altered: "
                "make the table again"
            )
        if size > _PIECE and first != _etag_of(system, source):
            raise TableError(
                f"{source}: expected one file; it was altered while its pieces were fetched. Make "
                "the table again"
            )
        scratch.replace(copy)
    except FileNotFoundError as error:
        raise TableError(
            f"expected the file {source} of this version; it is gone (vacuumed or deleted). Make "
            "the table again, or name a later version"
        ) from error
    finally:
        scratch.unlink(missing_ok=True)


def _etag(remote: Any) -> bytes | None:
    """Give what names the content of an S3 object; other file systems have no such thing."""
    return (remote.metadata() or {}).get("ETag")


def _etag_of(system: Any, source: str) -> bytes | None:
    with system.open_input_file(source) as remote:
        return _etag(remote)


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
