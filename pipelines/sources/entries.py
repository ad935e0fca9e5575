"""What lies where in the files of a source whose rows are bytes.

A row is a file of a folder or of a tar archive, or a record of a fixed length.

Nothing is unpacked: a row is a stretch of a file on disk, which the tasks of Spark read by
themselves. The driver lists the stretches; as many rows must come out of Spark.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import ContractError
from pipelines.state import file_digest
from schemas.contract import Source

_RECORDS_IN_ONE = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """``num_bytes`` from ``offset`` on of the file ``place``: one row, or ``count`` records.

    ``path`` is what the row is called inside its folder or archive, "" for records; ``position``
    the number of the first row, from 1 on. ``is_whole`` says that the file ends where it does.
    """

    path: str
    place: str
    offset: int
    num_bytes: int
    position: int
    count: int = 1
    is_whole: bool = False


def list_entries(title: str, path: Path, source: Source) -> Iterator[Entry]:
    """Give the rows of one folder, archive or file of records, in a fixed order.

    Raises:
        ContractError: A link to a folder or another special file, which would be left out without
            a word; or a damaged archive.
    """
    if source.format == "records":
        return _of_records(path, sum(source.record_bytes))
    return _of_folder(title, path) if path.is_dir() else _of_archive(title, path)


def content_digest(title: str, path: Path, source: Source) -> str:
    """Give the SHA-256 of a file; of a folder that of the names and digests of its files."""
    if not path.is_dir():
        return file_digest(path)
    found = hashlib.sha256()
    for entry in list_entries(title, path, source):
        said = f"{entry.path}\0{entry.num_bytes}\0{file_digest(Path(entry.place))}\n"
        found.update(said.encode(errors="surrogateescape"))
    return found.hexdigest()


def _of_folder(title: str, folder: Path) -> Iterator[Entry]:
    position = 0
    for inside, names, files in os.walk(folder, onerror=_raise):
        names.sort()
        if links := [name for name in names if Path(inside, name).is_symlink()]:
            raise _special(title, Path(inside, links[0]))
        for name in sorted(files):
            place = Path(inside, name)
            found = place.stat()
            if not stat.S_ISREG(found.st_mode):
                raise _special(title, place)
            position += 1
            path = place.relative_to(folder).as_posix()
            yield Entry(path, str(place), 0, found.st_size, position, is_whole=True)


def _raise(error: OSError) -> None:
    raise error


def _of_archive(title: str, path: Path) -> Iterator[Entry]:
    position = 0
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise _special(title, Path(member.name))
                position += 1
                offset, size = member.offset_data, member.size
                yield Entry(member.name, str(path), offset, size, position)
                # or every member would stay in memory
                archive.members = []  # type: ignore[attr-defined]
    except tarfile.TarError as error:
        raise ContractError(
            f"{title}: expected a folder or a tar archive; it is none, or damaged: {error}. Fetch "
            "it again, or unpack it and give the folder"
        ) from error


def _of_records(path: Path, length: int) -> Iterator[Entry]:
    """Give blocks of records; what is left at the end is one that is too short."""
    size = path.stat().st_size
    whole = size // length
    for first in range(0, whole, _RECORDS_IN_ONE):
        count = min(_RECORDS_IN_ONE, whole - first)
        yield Entry("", str(path), first * length, count * length, first + 1, count)
    if rest := size % length:
        yield Entry("", str(path), whole * length, rest, whole + 1)


def _special(title: str, path: Path) -> ContractError:
    return ContractError(
        f"{title}: expected plain files in plain folders; {path} is a link or a special file. Put "
        "the file or the folder in its place, or leave it out"
    )
