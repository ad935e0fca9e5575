"""Local copies of what tools want on a disk of this machine, and the way back."""

import shutil
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pipelines.storage.place import RemotePath

_THREADS = 8


@contextmanager
def local_files(path: Path, names: Sequence[str] | None = None) -> Generator[Path]:
    """Give a folder that holds files of ``path``: itself, or a copy that ends with the block.

    Args:
        path: A folder.
        names: The files wanted, relative to it; all by default. One that is not there is left out.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="gristmill-") as scratch:
        _fetch(path, Path(scratch), path.files_below() if names is None else names)
        yield Path(scratch)


@contextmanager
def local_file(path: Path) -> Generator[Path]:
    """Give a file: itself, or a copy of the same name that ends with the block."""
    with local_files(path.parent, [path.name]) as folder:
        yield folder / path.name


@contextmanager
def work_folder(path: Path, names: Sequence[str] = ()) -> Generator[Path]:
    """Give a folder that a tool writes into: ``path`` itself, or one that is put there at the end.

    Args:
        path: A folder.
        names: Files that the tool wants to find in it, those that are there.
    """
    with local_files(path, names) as folder:
        yield folder
        if isinstance(path, RemotePath):
            put_folder(folder, path)


def put_folder(folder: Path, path: Path, but: str = "") -> None:
    """Put all files of a local folder under ``path``, those of the same name anew.

    Args:
        folder: On this machine.
        path: Anywhere.
        but: Folder in it that stays.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    names = [name for name in (file.relative_to(folder) for file in files) if name.parts[0] != but]
    if not isinstance(path, RemotePath):
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, path / name)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda name: (path / name).write_bytes((folder / name).read_bytes()), names))


def _fetch(path: RemotePath, folder: Path, names: Sequence[str]) -> None:
    def fetch(name: str) -> None:
        source = path / name
        if not source.is_file():
            return
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fetch, names))
