"""The manifest: live files of one version, and every table that must be refused."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import TableError
from pipelines.loading.manifest import Manifest, read_manifest
from tests.pipelines.loading.tables import COLUMNS, PROTOCOL, add_file, commit, rows, write_table

_STRUCT = pa.struct([("a", pa.float32())])
_MAP = pa.map_(pa.string(), pa.float32())


def make(folder: Path, **actions: Any) -> str:
    write_table(
        folder, {"train": [rows(30), rows(20, first_id=30)], "validation": [rows(9)]}, **actions
    )
    return str(folder)


def read(folder: Path | str, version: int = 0) -> Manifest:
    return read_manifest(str(folder), version, COLUMNS)


def test_rows_are_counted_by_split(tmp_path: Path) -> None:
    manifest = read(make(tmp_path))
    assert sorted(group.rows for group in manifest.row_groups("train")) == [20, 30]
    assert (manifest.num_rows("train"), manifest.num_rows("validation")) == (50, 9)
    assert manifest.label_range("train") == (0, 1)


def test_a_removed_file_is_not_read_but_is_still_in_the_older_version(tmp_path: Path) -> None:
    make(tmp_path)
    gone = json.loads((tmp_path / f"_delta_log/{0:020d}.json").read_text().splitlines()[2])["add"]
    commit(tmp_path, 1, [{"remove": {"path": gone["path"]}}])
    assert read(tmp_path, 1).num_rows("train") == 20
    assert read(tmp_path, 0).num_rows("train") == 50


def test_the_order_of_files_does_not_depend_on_their_names(tmp_path: Path) -> None:
    tables = [rows(5, first_id=first) for first in (0, 5, 10)]
    for name, numbers in (("a", (0, 1, 2)), ("b", (2, 0, 1))):
        adds = [
            add_file(tmp_path / name, "train", n, t) for n, t in zip(numbers, tables, strict=True)
        ]
        metadata = {"metaData": {"partitionColumns": ["split"], "configuration": {}}}
        commit(tmp_path / name, 0, [PROTOCOL, metadata, *reversed(adds)])
    firsts = [
        [
            pq.read_table(group.file)["x0"][0].as_py()
            for group in read(tmp_path / name).row_groups("train")
        ]
        for name in ("a", "b")
    ]
    assert firsts[0] == firsts[1]


def test_a_checkpoint_stands_for_the_commits_before_it(tmp_path: Path) -> None:
    make(tmp_path)
    log = tmp_path / "_delta_log"
    commit(tmp_path, 1, [add_file(tmp_path, "train", 7, rows(11, first_id=100))])
    actions = [json.loads(line) for line in (log / f"{0:020d}.json").read_text().splitlines()]
    pq.write_table(_checkpoint(actions), log / f"{0:020d}.checkpoint.parquet")
    (log / f"{0:020d}.json").unlink()
    assert read(tmp_path, 1).num_rows("train") == 61


def _checkpoint(actions: list[dict[str, Any]]) -> pa.Table:
    text = pa.map_(pa.string(), pa.string())
    add = pa.struct(
        [
            ("path", pa.string()),
            ("partitionValues", text),
            ("size", pa.int64()),
            ("stats", pa.string()),
        ]
    )
    metadata = pa.struct([("partitionColumns", pa.list_(pa.string())), ("configuration", text)])
    protocol = pa.struct([("minReaderVersion", pa.int32()), ("minWriterVersion", pa.int32())])
    schema = pa.schema([("add", add), ("metaData", metadata), ("protocol", protocol)])
    return pa.Table.from_pylist([_pairs(action) for action in actions], schema=schema)


def _pairs(action: dict[str, Any]) -> dict[str, Any]:
    maps = ("partitionValues", "configuration")
    return {
        kind: {k: list(v.items()) if k in maps else v for k, v in value.items()}
        for kind, value in action.items()
    }


def test_a_missing_version_is_refused_and_the_versions_that_exist_are_named(tmp_path: Path) -> None:
    make(tmp_path)
    commit(tmp_path, 1, [])
    with pytest.raises(TableError, match=r"version 7 .* has versions 0 to 1"):
        read(tmp_path, 7)


def test_a_gap_in_the_log_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    commit(tmp_path, 2, [])
    with pytest.raises(TableError, match="has versions 0 to 0"):
        read(tmp_path, 2)


def test_a_folder_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no folder _delta_log"):
        read(tmp_path)


def test_deletion_vectors_are_refused_with_the_command_that_removes_them(tmp_path: Path) -> None:
    vector = {"storageType": "u", "pathOrInlineDv": "ab^-aqEH", "offset": 4, "sizeInBytes": 40}
    make(tmp_path)
    added = json.loads((tmp_path / f"_delta_log/{0:020d}.json").read_text().splitlines()[2])["add"]
    commit(
        tmp_path,
        1,
        [{"remove": {"path": added["path"]}}, {"add": {**added, "deletionVector": vector}}],
    )
    with pytest.raises(TableError, match=r"no deletion vectors.*REORG TABLE .* APPLY \(PURGE\)"):
        read(tmp_path, 1)
    commit(tmp_path, 2, [{"remove": {"path": added["path"], "deletionVector": vector}}])
    assert read(tmp_path, 2).num_rows("train") == 20


def test_column_mapping_is_refused(tmp_path: Path) -> None:
    metadata = {"metaData": {"configuration": {"delta.columnMapping.mode": "name"}}}
    with pytest.raises(TableError, match="column mapping is 'name'"):
        read(make(tmp_path, actions=[metadata]))


def test_a_reader_feature_that_is_not_known_is_refused(tmp_path: Path) -> None:
    protocol = {"protocol": {"minReaderVersion": 3, "readerFeatures": ["variantType"]}}
    with pytest.raises(TableError, match="variantType"):
        read(make(tmp_path, actions=[protocol]))


@pytest.mark.parametrize("name", ["_common_metadata", "_metadata"])
def test_a_file_that_petastorm_would_unpickle_is_refused(tmp_path: Path, name: str) -> None:
    (Path(make(tmp_path)) / name).touch()
    with pytest.raises(TableError, match=f"no file {name}"):
        read(tmp_path)


def _a_file(folder: Path) -> Path:
    return next((folder / "split=train").glob("*.parquet"))


@pytest.mark.proves("F20")
def test_a_live_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    _a_file(Path(make(tmp_path))).unlink()
    with pytest.raises(TableError, match="it is gone"):
        read(tmp_path)


@pytest.mark.proves("F19")
def test_a_file_of_another_size_is_refused(tmp_path: Path) -> None:
    with _a_file(Path(make(tmp_path))).open("ab") as file:
        file.write(b"x")
    with pytest.raises(TableError, match="was altered"):
        read(tmp_path)


def test_rows_that_differ_from_the_log_are_refused(tmp_path: Path) -> None:
    added = add_file(tmp_path, "train", 0, rows(10))
    added["add"]["stats"] = json.dumps({"numRecords": 11})
    commit(tmp_path, 0, [PROTOCOL, {"metaData": {"configuration": {}}}, added])
    with pytest.raises(TableError, match=r"expected 11 rows .* its footer says 10"):
        read(tmp_path)


@pytest.mark.proves("B46")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["x1"]), "x1 expected float, got no such column"),
        (lambda t: _with(t, "x1", t["x1"].cast(pa.float64())), "x1 expected float, got double"),
        (lambda t: _with(t, "c0", t["c0"].cast(pa.int64())), "c0 expected int32, got int64"),
        (lambda t: _with(t, "x1", pa.array([None] * len(t), pa.float32())), "column x1 has 10 in"),
        (lambda t: _with(t, "c0", t["c0"].cast(pa.uint64())), "c0 expected int32, got uint64"),
        (lambda t: _with(t, "x1", _of([1], pa.decimal128(9, 2), t)), r"got decimal128\(9, 2\)"),
        (lambda t: _with(t, "x1", _of([[1.0]], pa.list_(pa.float32()), t)), "float, got list<"),
        (lambda t: _with(t, "x1", _of([{"a": 1.0}], _STRUCT, t)), "float, got struct<a: float>"),
        (lambda t: _with(t, "x1", _of([[("a", 1.0)]], _MAP, t)), "float, got map<string, float"),
    ],
)
def test_columns_that_would_reach_the_model_wrong_are_refused(
    tmp_path: Path, change: Any, message: str
) -> None:
    write_table(tmp_path, {"train": [change(rows(10))]})
    with pytest.raises(TableError, match=message):
        read(tmp_path)


def _of(value: list[Any], kind: pa.DataType, table: pa.Table) -> pa.Array:
    return pa.array(value * len(table), kind)


def _with(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


@pytest.mark.proves("B47")
def test_an_empty_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"split 'test'; it has none .*'train': 50"):
        read(make(tmp_path)).row_groups("test")
