"""Rows that are bytes, listed without reading them."""

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.errors import ContractError
from pipelines.sources.entries import Entry, content_digest, list_entries
from pipelines.sources.inspect_files import inspect_files
from pipelines.sources.locate import locate
from tests.pipelines.sources.pictures import FILES, RECORDS, write_folder, write_tar

_FILES = {"b/2.txt": b"two", "a/1.txt": b"", "a/0.txt": b"x" * 700}


def test_files_of_a_folder_come_by_their_paths(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "notes", _FILES)
    found = list(list_entries("t", folder, FILES))
    assert [(item.path, item.num_bytes, item.position) for item in found] == [
        ("a/0.txt", 700, 1),
        ("a/1.txt", 0, 2),
        ("b/2.txt", 3, 3),
    ]


def test_members_of_an_archive_lie_where_it_says(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "notes.tar", _FILES)
    found = list(list_entries("t", path, FILES))
    whole = path.read_bytes()
    parts = [whole[item.offset : item.offset + item.num_bytes] for item in found]
    assert [item.path for item in found] == [*_FILES]
    assert parts == [*_FILES.values()]
    assert [item.position for item in found] == [1, 2, 3]


def test_what_is_left_of_records_is_one_that_is_too_short(tmp_path: Path) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(bytes(7 * 1030 + 3))
    assert list(list_entries("t", path, RECORDS)) == [
        Entry("", str(path), 0, 7 * 1024, 1, 1024),
        Entry("", str(path), 7 * 1024, 7 * 6, 1025, 6),
        Entry("", str(path), 7 * 1030, 3, 1031),
    ]
    ((file,), _) = inspect_files("d", RECORDS, [path])
    assert file.num_rows == 1031


def test_a_link_to_a_folder_or_a_pipe_is_refused_and_not_left_out(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "notes", _FILES)
    (folder / "c").symlink_to(folder / "a")
    with pytest.raises(ContractError, match=r"notes/c is a link"):
        list(list_entries("t", folder, FILES))
    (folder / "c").unlink()
    os.mkfifo(folder / "a" / "pipe")
    with pytest.raises(ContractError, match=r"a/pipe is a link or a special file"):
        list(list_entries("t", folder, FILES))


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "notes.tar", _FILES)
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("c.txt")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ContractError, match=r"c\.txt is a link"):
        list(list_entries("t", path, FILES))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "notes.tar", _FILES)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ContractError, match="expected a folder or a tar archive"):
        list(list_entries("t", path, FILES))


def test_a_folder_s_digest_follows_names_and_contents(tmp_path: Path) -> None:
    first = content_digest("t", write_folder(tmp_path / "a", _FILES), FILES)
    assert content_digest("t", write_folder(tmp_path / "b", _FILES), FILES) == first
    others = [{**_FILES, "b/2.txt": b"twO"}, {**_FILES, "b/3.txt": b""}]
    renamed = {"b/4.txt" if name == "b/2.txt" else name: value for name, value in _FILES.items()}
    digests = {
        content_digest("t", write_folder(tmp_path / f"c{place}", files), FILES)
        for place, files in enumerate([*others, renamed])
    }
    assert len(digests | {first}) == 4


def test_a_folder_is_one_place_and_a_packed_archive_is_unpacked_once(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "notes", _FILES)
    assert locate("d", FILES, [str(folder)], tmp_path / "landing") == [folder]
    packed = write_tar(tmp_path / "more.tar.gz", _FILES, "w:gz")
    (found,) = locate("d", FILES, [str(packed)], tmp_path / "landing")
    assert found.name == "more.tar"
    assert len(list(list_entries("t", found, FILES))) == 3
    written = found.stat().st_mtime_ns
    assert locate("d", FILES, [str(packed)], tmp_path / "landing")[0].stat().st_mtime_ns == written
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(ContractError, match=r"more\.tar\.gz; it is none, or damaged"):
        locate("d", FILES, [str(packed)], tmp_path / "landing")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(ContractError, match="expected files in it; it is empty"):
        inspect_files("d", FILES, [tmp_path / "notes"])
    (tmp_path / "some.bin").write_bytes(b"")
    with pytest.raises(ContractError, match="expected records; it is empty"):
        inspect_files("d", replace(RECORDS, name="r"), [tmp_path / "some.bin"])
