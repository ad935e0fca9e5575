"""Look at source files before Spark does: kind, header, digest, and how many rows there must be.

The rows are counted by ``pipelines.sources.count``, in Python; the rows that Spark read are held
against that count.
"""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from pipelines.errors import ContractError
from pipelines.sources.count import QUOTE, check_enclosed, count_lines, count_records
from pipelines.sources.entries import content_digest, list_entries
from pipelines.sources.header import check_header
from pipelines.sources.unpack import CHUNK_BYTES, check_size
from pipelines.state import file_digest
from schemas.contract import Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# a header longer than this, or a row that no reader could hold
_MAX_HEADER_BYTES = 2**20
_MAX_UNBROKEN_BYTES = 128 * 2**20
_GZIP = b"\x1f\x8b"
_MAGIC = {
    _GZIP: "gzip",
    b"PK\x03\x04": "zip",
    b"PAR1": "Parquet",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    ``num_rows`` counts lines, but for a header (records, where a quoted field may hold a line end);
    files, of a folder or an archive; records of a fixed length, the last of which may be too short;
    ``num_skipped`` those of them that are empty and that the reader of records never gives.
    """

    name: str
    path: str
    digest: str
    num_bytes: int
    num_rows: int
    num_skipped: int = 0


def inspect_files(
    dataset: str, source: Source, paths: Sequence[Path]
) -> tuple[tuple[SourceFile, ...], tuple[str, ...]]:
    """Inspect the files of ``source``.

    Returns:
        The files to read, by name; and the paths left out because another file has the same bytes.

    Raises:
        ContractError: A file is empty, not text, has another header, or shares its name (which
            orders the versions of a row) with another.
    """
    files: dict[str, SourceFile] = {}
    repeated: list[str] = []
    for path in paths:
        title = f"{dataset}: source {source.name}: {path}"
        is_text = source.format == "csv"
        digest = file_digest(path) if is_text else content_digest(title, path, source)
        if digest in files:
            repeated.append(str(path))
        else:
            inspect = _inspect if is_text else _inspect_bytes
            files[digest] = inspect(title, path, source, digest)
    kept = sorted(files.values(), key=lambda file: file.name)
    names = [file.name for file in kept]
    for name in names:
        if names.count(name) > 1:
            raise ContractError(
                f"{dataset}: source {source.name}: {names.count(name)} different files are named "
                f"{name!r}; names say which version of a row is later. Rename them in that order"
            )
    return tuple(kept), tuple(repeated)


def _inspect(title: str, path: Path, source: Source, digest: str) -> SourceFile:
    _check_kind(title, path)
    with _open(title, path) as stream:
        head = stream.read(_MAX_HEADER_BYTES)
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise ContractError(
            f"{title}: expected a header and rows; the file is empty. Fetch it again"
        )
    check_header(title, head.splitlines()[0], source)
    num_all, num_skipped = _count(title, path, source)
    num_rows = num_all - source.num_header_lines
    if num_rows == num_skipped:
        raise ContractError(f"{title}: expected rows; the file holds a header only. Fetch it again")
    size = path.stat().st_size
    return SourceFile(path.name, str(path), digest, size, num_rows, num_skipped)


def _inspect_bytes(title: str, path: Path, source: Source, digest: str) -> SourceFile:
    num_rows = num_bytes = 0
    for entry in list_entries(title, path, source):
        num_rows += entry.count
        num_bytes += entry.num_bytes
    if not num_rows:
        kind = "records" if source.format == "records" else "files in it"
        raise ContractError(f"{title}: expected {kind}; it is empty. Fetch it again")
    return SourceFile(path.name, str(path), digest, num_bytes, num_rows)


def _count(title: str, path: Path, source: Source) -> tuple[int, int]:
    with _open(title, path) as stream:
        if source.is_multiline:
            return count_records(title, stream, source)
        has_quotes: list[bool] = []
        num_lines = count_lines(_noting(_chunks(stream), has_quotes))
    if any(has_quotes) and source.has_quotes:
        with _open(title, path) as stream:
            check_enclosed(title, _chunks(stream), source)
    return num_lines, 0


def _noting(chunks: Iterable[bytes], has_quotes: list[bool]) -> Iterator[bytes]:
    for chunk in chunks:
        has_quotes.append(QUOTE in chunk)
        yield chunk


def _check_kind(title: str, path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    kind = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "text")
    expected = "gzip" if path.suffix == ".gz" else "text"
    if start and kind != expected:
        raise ContractError(
            f"{title}: expected {expected}, by its name; its first bytes, 0x{start.hex()}, are "
            f"{kind}. Rename it, or unpack it first"
        )


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(CHUNK_BYTES), b"")


def _open(title: str, path: Path) -> io.BufferedReader:
    return io.BufferedReader(_Watched(title, path), CHUNK_BYTES)


class _Watched(io.RawIOBase):
    """The bytes of a file, unpacked; stops at damage, at a bomb and at a line without an end."""

    def __init__(self, title: str, path: Path) -> None:
        super().__init__()
        self._title, self._path = title, path
        self._is_packed = path.suffix == ".gz"
        # closed in close(), with this stream
        opened = gzip.open(path) if self._is_packed else path.open("rb")  # noqa: SIM115
        self._stream = cast(BinaryIO, opened)
        self._size, self._total, self._unbroken = path.stat().st_size, 0, 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            chunk = self._stream.read(len(view))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ContractError(
                f"{self._title}: damaged gzip, {error}, after {self._total:,} bytes. Fetch it again"
            ) from error
        self._check(chunk)
        view[: len(chunk)] = chunk
        return len(chunk)

    def _check(self, chunk: bytes) -> None:
        self._total += len(chunk)
        broken = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._unbroken = self._unbroken + len(chunk) if broken < 0 else len(chunk) - broken
        if self._is_packed:
            check_size(self._title, self._path, self._size, self._total)
        if self._unbroken > _MAX_UNBROKEN_BYTES:
            raise ContractError(
                f"{self._title}: expected lines; none ends for {_MAX_UNBROKEN_BYTES:,} bytes. "
                "Is it text?"
            )
