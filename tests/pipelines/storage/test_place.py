"""Paths under a root that lies elsewhere."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.errors import ParameterError, TableError
from pipelines.storage.copies import local_files, put_folder, work_folder
from pipelines.storage.place import RemotePath, check_root, place
from pipelines.tables.records import read_records
from pipelines.tables.write_records import append_once
from tests.s3_server import S3Server, nobody


@pytest.fixture
def root(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemotePath:
    set_environment(monkeypatch, s3.environment())
    found = place(f"s3a://{s3.bucket}/places/{tmp_path.name}")
    assert isinstance(found, RemotePath)
    return found


def set_environment(monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str]) -> None:
    for name in [*os.environ]:
        if name not in wanted:
            monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)


def test_a_path_keeps_its_address_when_it_is_joined() -> None:
    path = place("s3a://bucket/lake") / "flights" / "raw"
    assert str(path) == "s3a://bucket/lake/flights/raw"
    assert str(path.parent.with_name("x.json")) == "s3a://bucket/lake/x.json"
    assert path.absolute() == path
    assert str(place("hdfs://host:9000/lake") / "a") == "hdfs://host:9000/lake/a"


def test_two_names_of_s3_are_one_root_and_a_local_path_stays_one() -> None:
    assert place("s3://bucket/lake") == place("s3a://bucket/lake")
    assert not isinstance(place("lake"), RemotePath)
    assert place("file:///data/lake") == Path("/data/lake")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gs://bucket/lake", r"a local path, s3a://bucket/path or hdfs://.*; got gs://bucket/lake"),
        ("abfss://a@store.dfs.core.windows.net/lake", "Azure's stores are not served"),
        ("s3a://", "expected a bucket; got s3a://"),
        ("hdfs:///lake", "expected a host, as hdfs://host:port/path"),
    ],
)
def test_a_root_of_another_kind_is_refused(text: str, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        place(text)


def test_an_address_with_keys_is_refused_without_showing_them() -> None:
    with pytest.raises(ParameterError, match="keys in it") as caught:
        place("s3a://AKIA123:" + "secret456@bucket/lake")
    assert "456" not in str(caught.value)


def test_what_only_a_local_disk_can_do_makes_no_folder_named_s3a(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ParameterError, match=r"expected a local root for .*; got s3a://bucket/lake"
    ):
        (place("s3a://bucket/lake") / "file").open("w")
    assert list(tmp_path.iterdir()) == []


def test_files_on_s3_are_written_listed_read_and_taken_away(root: RemotePath) -> None:
    assert not root.exists()
    for name in ("train-1.json", "train-2.json", "split=a/x y?#%20.txt"):
        (root / name).write_bytes(name.encode())
    (root / "train-2.json").write_bytes(b"anew")
    assert [path.name for path in root.glob("train-*.json")] == ["train-1.json", "train-2.json"]
    with pytest.raises(ValueError, match="expected a pattern of names in s3a://"):
        list(root.glob("*/train.json"))
    assert (root / "train-2.json").read_bytes() == b"anew"
    assert root.files_below() == ["split=a/x y?#%20.txt", "train-1.json", "train-2.json"]
    assert (root.is_dir(), root.is_file(), (root / "train-1.json").is_file()) == (True, False, True)
    (root / "train-1.json").unlink()
    (root / "train-1.json").unlink(missing_ok=True)
    assert sorted(root.names()) == ["split=a", "train-2.json"]
    num_bytes, changed_at_s = root.facts_below()["train-2.json"]
    assert (num_bytes, abs(time.time() - changed_at_s) < 3600) == (4, True)
    root.remove_tree()
    assert not root.exists()


def test_a_tool_works_on_a_copy_and_what_it_wrote_is_put_back(
    root: RemotePath, tmp_path: Path
) -> None:
    (root / "index.json").write_bytes(b"1")
    (root / "old" / "page.html").write_bytes(b"old")
    with work_folder(root, ["index.json", "missing.json"]) as folder:
        assert [path.name for path in folder.iterdir()] == ["index.json"]
        (folder / "index.json").write_bytes(b"2")
        (folder / "new").mkdir()
        (folder / "new" / "page.html").write_bytes(b"new")
    with local_files(root) as folder:
        assert (folder / "old" / "page.html").read_bytes() == b"old"
        assert (folder / "index.json").read_bytes() == b"2"
        put_folder(folder, tmp_path / "here", but="old")
    assert not folder.exists()
    assert (tmp_path / "here" / "new" / "page.html").read_bytes() == b"new"
    assert not (tmp_path / "here" / "old").exists()


def test_entries_that_several_write_at_once_on_s3_are_there_once(root: RemotePath) -> None:
    schema = pa.schema([("name", pa.string()), ("block", pa.int64())])
    path = root / "ledger"

    def append(number: int) -> bool:
        name = f"step-{number % 8}"
        return append_once(path, [{"name": name, "block": 0}], schema, name, ("block",))

    append(0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(16)))
    found = sorted(row["name"] for row in read_records(path))
    assert found == [f"step-{number}" for number in range(8)]
    assert not append(3)


def test_a_root_that_cannot_be_reached_is_said_before_anything_starts(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, s3.environment())
    check_root(f"s3a://{s3.bucket}/lake")
    with pytest.raises(TableError, match=r"expected a bucket 'elsewhere'; .* has none"):
        check_root("s3a://elsewhere/lake")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TableError, match=r"expected an answer from http://127.0.0.1:9; got none"):
        check_root(f"s3a://{s3.bucket}/lake")
    environment = nobody(s3.folder) | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3.port}"}
    set_environment(monkeypatch, environment | {"AWS_REGION": "nobody"})
    with pytest.raises(TableError, match=r"expected keys for .*; found none"):
        check_root(f"s3a://{s3.bucket}/lake")
