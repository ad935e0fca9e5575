"""Unpack an archive that holds data files, trusting nothing that the archive says.

A member's name can climb out of the folder, a link can point anywhere, and a few kilobytes can
unpack to a full disk (CWE-22, CWE-59, CWE-409): all three are refused.
"""

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pipelines.errors import ContractError
from pipelines.state import file_digest, read_json, sync_folder, write_json

MAX_RATIO = 100
MAX_BYTES = 64 * 2**30
# a small file of one repeated line is no bomb
RATIO_FREE_BYTES = 2**20
CHUNK_BYTES = 2**20
_ENCRYPTED = 0x1


def unpack_zip(title: str, archive: Path, landing: Path) -> Path:
    """Give the one file in ``archive``, unpacked under ``landing`` unless it lies there already.

    Its digest is kept beside it, and a file that no longer has it is unpacked again.

    Raises:
        ContractError: No zip, damaged, encrypted, not exactly one plain member, or a bomb.
    """
    digest = file_digest(archive)
    record = landing / f"{archive.stem}-{digest[:16]}.json"
    if record.exists():
        known = read_json(record)
        target = landing / digest[:16] / known["member"]
        if target.is_file() and file_digest(target) == known["member_sha256"]:
            return target
    try:
        with zipfile.ZipFile(archive) as opened:
            member = _only_member(title, archive, opened)
            target = landing / digest[:16] / PurePosixPath(member.filename).name
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as packed:
                _copy(title, packed, target, archive.stat().st_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ContractError(
            f"{title}: expected a zip archive at {archive}; it is none, or damaged: {error}. "
            "Fetch it again"
        ) from error
    said = {"archive": archive.name, "archive_sha256": digest, "member": target.name}
    write_json(record, said | {"member_sha256": file_digest(target)})
    return target


def unpack_gzip(title: str, packed: Path, landing: Path) -> Path:
    """Give what ``packed`` holds, unpacked under ``landing`` unless it lies there already.

    Raises:
        ContractError: No gzip, damaged, or a bomb.
    """
    digest = file_digest(packed)
    record = landing / f"{packed.stem}-{digest[:16]}.json"
    name = f"{packed.stem}.tar" if packed.suffix == ".tgz" else packed.stem
    target = landing / digest[:16] / name
    if record.exists() and target.is_file() and file_digest(target) == read_json(record)["sha256"]:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with gzip.open(packed) as stream:
            _copy(title, cast("IO[bytes]", stream), target, packed.stat().st_size)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ContractError(
            f"{title}: expected gzip at {packed}; it is none, or damaged: {error}. Fetch it again"
        ) from error
    write_json(record, {"archive_sha256": digest, "sha256": file_digest(target)})
    return target


def unpack_tar(title: str, archive: Path, landing: Path) -> list[Path]:
    """Give the files in the plain tar ``archive``, by name, unpacked under ``landing`` or there.

    They come to lie in one folder, whatever folders they were in: a row is known by its file's
    name, which no two of them may share. One that was altered since is unpacked again.

    Raises:
        ContractError: No tar, damaged, without files, with a link or a special file, or with two
            files of one name.
    """
    digest = file_digest(archive)
    record, folder = landing / f"{archive.stem}-{digest[:16]}.json", landing / digest[:16]
    if record.exists():
        known = read_json(record)["members"]
        if all((folder / n).is_file() and file_digest(folder / n) == known[n] for n in known):
            return [folder / name for name in sorted(known)]
    scratch = landing / f".{digest[:16]}.{os.getpid()}.tmp"
    scratch.mkdir(parents=True)
    try:
        with tarfile.open(archive, "r:") as opened:
            for member in opened:
                if not member.isdir():
                    _take(title, archive, opened, member, scratch)
        members = {path.name: file_digest(path) for path in sorted(scratch.iterdir())}
        if not members:
            raise ContractError(f"{title}: expected files in {archive}; it holds none")
        shutil.rmtree(folder, ignore_errors=True)
        scratch.replace(folder)
    except tarfile.TarError as error:
        raise ContractError(
            f"{title}: expected a tar archive at {archive}; it is none, or damaged: {error}. Fetch "
            "it again"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sync_folder(landing)
    write_json(record, {"archive": archive.name, "archive_sha256": digest, "members": members})
    return [folder / name for name in members]


def check_size(title: str, path: Path, packed: int, unpacked: int) -> None:
    """Refuse what unpacks to more than ``MAX_BYTES``, or ``MAX_RATIO`` times its size.

    Raises:
        ContractError: It does.
    """
    limit = max(RATIO_FREE_BYTES, packed * MAX_RATIO)
    if unpacked > min(limit, MAX_BYTES):
        raise ContractError(
            f"{title}: {path} unpacks to more than {min(limit, MAX_BYTES):,} bytes from {packed:,} "
            f"(at most {MAX_RATIO} times its size and {MAX_BYTES:,} bytes are read). If it is what "
            "you expect, unpack it yourself and give the file"
        )


def _only_member(title: str, archive: Path, opened: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [item for item in opened.infolist() if not item.is_dir()]
    if len(members) != 1:
        raise ContractError(
            f"{title}: expected exactly one file in {archive}; it holds {len(members)}: "
            f"{[item.filename for item in members][:5]}. Unpack it and give the files you mean"
        )
    member = members[0]
    path = PurePosixPath(member.filename.replace("\\", "/"))
    mode = member.external_attr >> 16
    is_plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode)
    if path.is_absolute() or ".." in path.parts or not is_plain or member.flag_bits & _ENCRYPTED:
        raise ContractError(
            f"{title}: the member {member.filename!r} of {archive} is a link, is encrypted or "
            "points out of its folder; it was not unpacked. Fetch the archive from its origin again"
        )
    return member


def _take(
    title: str, archive: Path, opened: tarfile.TarFile, member: tarfile.TarInfo, folder: Path
) -> None:
    """Write one member under its bare name: of where the archive wants it nothing is kept."""
    target = folder / PurePosixPath(member.name).name
    stream = opened.extractfile(member) if member.isreg() and not member.issparse() else None
    if stream is None or target.name.startswith(("_", ".")) or target.exists():
        raise ContractError(
            f"{title}: expected plain files in {archive}, no two of one name, none of a name that "
            f"begins with '_' or '.'; {member.name!r} is another. Unpack it and give the files "
            "you mean"
        )
    _copy(title, stream, target, archive.stat().st_size)


def _copy(title: str, packed: IO[bytes], target: Path, size: int) -> None:
    scratch = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    copied = 0
    try:
        with scratch.open("wb") as file:
            while chunk := packed.read(CHUNK_BYTES):
                copied += len(chunk)
                check_size(title, target, size, copied)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(target.parent)
