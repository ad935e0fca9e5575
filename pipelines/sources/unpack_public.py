"""Take a published file out of what it was published in, held to its stated size and digest.

Nothing is written where an archive says: names are the contract's, sizes too, so a member that
unpacks to more is stopped at the first byte too many (CWE-22, CWE-409).
"""

import gzip
import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pipelines.errors import ContractError
from pipelines.sources.unpack import CHUNK_BYTES
from schemas.published import PublicFile

_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError)


def unpack_public(title: str, packed: Path, file: PublicFile, target: Path) -> None:
    """Write ``file`` to the new file ``target``, synced, out of ``packed``.

    Args:
        title: Data set and file, for errors.
        packed: What was published: the file itself, or its archive.
        file: What it must be.
        target: Where it goes.

    Raises:
        ContractError: The archive is damaged or names a path outside of a folder; or the file is
            not there, of another size, or has another digest: both are said.
    """
    digest, came = hashlib.sha256(), 0
    try:
        with _opened(title, packed, file) as stream, target.open("xb") as out:
            while chunk := stream.read(CHUNK_BYTES):
                came += len(chunk)
                if came > file.num_bytes:
                    raise _other_size(title, file, f"{came:,} or more")
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except _DAMAGE as error:
        raise ContractError(
            f"{title}: expected {file.published}; what came is none, or damaged: {error}. Fetch it "
            "again"
        ) from error
    if came != file.num_bytes:
        raise _other_size(title, file, f"{came:,}")
    check_digest(title, file, digest.hexdigest())


def check_digest(title: str, file: PublicFile, came: str) -> None:
    """Raise ``ContractError`` unless ``came`` is the SHA-256 of ``file``."""
    if came != file.sha256:
        raise ContractError(
            f"{title}: expected the SHA-256 {file.sha256}; {came} came. It is another version, or "
            "was altered: fetch it from elsewhere, or, if it is right, correct the contract"
        )


@contextmanager
def _opened(title: str, packed: Path, file: PublicFile) -> Generator[IO[bytes]]:
    if file.member:
        with zipfile.ZipFile(packed) as archive:
            _check_members(title, archive, file)
            with archive.open(file.member) as stream:
                yield stream
    elif file.archive:
        with gzip.open(packed) as stream:
            yield cast("IO[bytes]", stream)
    else:
        with packed.open("rb") as stream:
            yield stream


def _check_members(title: str, archive: zipfile.ZipFile, file: PublicFile) -> None:
    members = archive.infolist()
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        mode = member.external_attr >> 16
        is_plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        is_outside = path.is_absolute() or ".." in path.parts
        if is_outside or not is_plain or member.flag_bits & _ENCRYPTED:
            raise ContractError(
                f"{title}: the member {member.filename!r} of {file.archive} is a link, is "
                "encrypted or points out of its folder; nothing was unpacked. It is not what was "
                "published: fetch it from elsewhere"
            )
    named = [member for member in members if member.filename == file.member]
    if len(named) != 1:
        names = [member.filename for member in members][:5]
        raise ContractError(
            f"{title}: expected {file.member!r} once in {file.archive}; it holds {names}. It is "
            "another archive: correct --from"
        )
    if named[0].file_size != file.num_bytes:
        raise _other_size(title, file, f"{named[0].file_size:,} by the archive's own word")


def _other_size(title: str, file: PublicFile, came: str) -> ContractError:
    return ContractError(
        f"{title}: expected {file.num_bytes:,} bytes, with the SHA-256 {file.sha256}; got {came}. "
        "It is another file: correct --from"
    )
