"""Fetch the published files of a data set to where its contract finds them, checked by digest.

All files are made and checked beside their place before the first one takes it, each by one rename:
what is there is whole and right, or was there before.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.lock import hold_lock
from pipelines.sources.download import (
    check_address,
    copy_file,
    download,
    is_address,
    join_address,
)
from pipelines.sources.locate import DATA_FOLDER
from pipelines.sources.unpack_public import unpack_public
from pipelines.state import file_digest, sync_folder
from schemas.catalog import dataset, datasets
from schemas.contract import DatasetSpec
from schemas.published import FETCHED, PublicFile

# an archive is no larger than what it holds, but for its own words
_ARCHIVE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class FetchParams:
    """Fetch the published files of a data set, each checked by size and SHA-256."""

    dataset: str = param("name of the data set, a module of schemas/")
    origin: str = param("Folder or address that holds the files; the contract's, if empty", "")
    to: str = param("Folder of all fetched data sets", DATA_FOLDER)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """Where the files are: those that came now, and those that were there already."""

    dataset: str
    folder: str
    fetched: tuple[str, ...]
    there: tuple[str, ...]


def run(params: FetchParams) -> FetchResult:
    """Fetch what is missing or altered; a repeated run reads nothing but what is there.

    Raises:
        ParameterError: The data set has no published files, or the origin is no folder and no
            address that is followed.
        ContractError: A file is missing there, can't be reached, or is another one than the
            contract says. What was there before stays.
    """
    spec = dataset(params.dataset)
    if not spec.files:
        raise _nothing_to_fetch(spec)
    folder = Path(params.to).absolute() / spec.name
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder.parent / f".{spec.name}.lock", f"the files of {spec.name}"):
        wanted = [file for file in spec.files if not _is_there(folder / file.name, file)]
        if wanted:
            _fetch(spec, wanted, _origin(params.origin or spec.origin), folder)
    fetched = tuple(file.name for file in wanted)
    there = tuple(file.name for file in spec.files if file.name not in fetched)
    return FetchResult(spec.name, str(folder), fetched, there)


def _nothing_to_fetch(spec: DatasetSpec) -> ParameterError:
    places = [place for source in spec.sources for place in source.locations]
    parts = [place.removeprefix(FETCHED) for place in places if place.startswith(FETCHED)]
    if others := sorted({part.partition("/")[0] for part in parts}):
        return ParameterError(f"{spec.name} reads the files of {', '.join(others)}: fetch that")
    named = [name for name in datasets() if dataset(name).files]
    return ParameterError(
        f"{spec.name} has no files to fetch: its contract finds them by itself. Data sets that "
        f"have some: {named}"
    )


def _origin(origin: str) -> str:
    if is_address(origin):
        return check_address(origin)
    if not Path(origin).is_dir():
        raise ParameterError(
            f"--from: expected a folder or an address like https://HOST/FOLDER; got {origin!r}"
        )
    return origin


def _is_there(path: Path, file: PublicFile) -> bool:
    is_file = path.is_file() and path.stat().st_size == file.num_bytes
    return is_file and file_digest(path) == file.sha256


def _fetch(spec: DatasetSpec, wanted: Sequence[PublicFile], origin: str, folder: Path) -> None:
    scratch = folder.parent / f".{spec.name}.part"
    # of a fetch that was killed: the lock is ours
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        for published in dict.fromkeys(file.published for file in wanted):
            files = [file for file in wanted if file.published == published]
            _make(spec, files, origin, scratch)
        for file in wanted:
            (scratch / file.name).replace(folder / file.name)
        sync_folder(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make(spec: DatasetSpec, files: Sequence[PublicFile], origin: str, scratch: Path) -> None:
    """Make the files that are published as one."""
    packed = scratch / f"{files[0].published}.packed"
    is_unpacked = _is_unpacked(files, origin)
    if not is_unpacked:
        _get(spec, files[0].published, origin, packed)
    for file in files:
        came, said = packed, file
        if is_unpacked:
            came, said = Path(origin) / file.name, replace(file, archive="", member="")
        unpack_public(f"{spec.name}: {file.name}", came, said, scratch / file.name)
    packed.unlink(missing_ok=True)


def _is_unpacked(files: Sequence[PublicFile], origin: str) -> bool:
    """Say whether a folder holds not the archive but what is in it."""
    if is_address(origin) or (Path(origin) / files[0].published).exists():
        return False
    return all((Path(origin) / file.name).is_file() for file in files)


def _get(spec: DatasetSpec, published: str, origin: str, packed: Path) -> None:
    files = [file for file in spec.files if file.published == published]
    max_bytes = sum(file.num_bytes + bool(file.archive) * _ARCHIVE_BYTES for file in files)
    title = f"{spec.name}: {published}"
    if is_address(origin):
        download(title, join_address(origin, published), packed, max_bytes)
    else:
        copy_file(title, Path(origin) / published, packed, max_bytes)
