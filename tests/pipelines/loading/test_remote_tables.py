"""Tables on an S3 server: what crosses the network, what breaks, and what is said of it.

The server is real (tests/s3_server.py); a relay before it counts, and cuts connections.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.errors import ParameterError, TableError
from pipelines.loading import table_cache
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.loading.table_cache import fetch_table, release_tables
from pipelines.storage import remote
from pipelines.world import World
from tests.pipelines.loading.tables import COLUMNS, rows, write_table, write_two_versions
from tests.relay import Exchange, Relay, relay
from tests.s3_server import S3Server

_PATIENCE_S = 60.0
ONE, SEVEN = "part-00001 1.parquet", "part-00007 1.parquet"


@pytest.fixture
def between(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """The way to the server; this process's settings of AWS lead through it."""
    with relay(s3.port) as found:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in s3.environment(found.port).items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        yield found
    release_tables()


@pytest.fixture
def url(s3: S3Server, tmp_path: Path) -> str:
    """A table of two versions that no other test has, with a file that belongs to none."""
    far = write_two_versions(tmp_path / "far", 20_000)
    (far / "split=train" / "orphan.parquet").write_bytes(b"left by a writer that was killed")
    return s3.upload(far, f"tables/{tmp_path.name}")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def stored(s3: S3Server, url: str, name: str) -> Path:
    """Give the file in which the server keeps an object."""
    return next((s3.folder / "objects" / url.removeprefix("s3://")).rglob(name))


def cut(between: Relay, name: str, after: int, times: int) -> list[int]:
    """Break what carries an object ``times`` times, after so many bytes; gives where."""
    cuts: list[int] = []

    def is_broken(exchange: Exchange) -> bool:
        is_it = exchange.method == "GET" and name in exchange.path
        if is_it and exchange.num_bytes > after and len(cuts) < times:
            cuts.append(exchange.num_bytes)
            return True
        return False

    between.is_broken = is_broken
    return cuts


def num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def read_rows(folder: str, version: int) -> list[float]:
    manifest = read_manifest(folder, version, COLUMNS)
    split = load_split(manifest, "train", World(0, 1), Reading(240, 1))
    batches = list(split.arrays(0))
    split.close()
    return [x for arrays, weight in batches for x in arrays["numeric"][weight > 0, 0].tolist()]


def test_each_live_file_crosses_once_and_its_rows_are_the_local_ones(
    between: Relay, url: str, tmp_path: Path
) -> None:
    folder = fetch_table(url, 1, tmp_path / "cache", 10)
    assert {Path(path).name: count for path, count in between.gets("parquet").items()} == {
        ONE: 1,
        SEVEN: 1,
    }
    assert set(between.gets("_delta_log").values()) == {1}
    assert len(between.gets("_delta_log")) == 2
    heads = between.bytes_of("split=train") - num_bytes(Path(folder))
    assert 0 < heads < 2 * 2 * 1024  # a HEAD and a GET for each of the two
    assert read_rows(folder, 1) == read_rows(str(tmp_path / "far"), 1)
    assert len(read_rows(folder, 1)) == 40_000


def test_nothing_crosses_twice(between: Relay, url: str, tmp_path: Path) -> None:
    fetch_table(url, 0, tmp_path / "cache", 10)
    between.forget()
    fetch_table(url, 0, tmp_path / "cache", 10)
    assert [method for method, path in between.requests if "?" not in path] == []
    fetch_table(url, 1, tmp_path / "cache", 10)
    assert [Path(path).name for path in between.gets()] == [f"{1:020d}.json", SEVEN]


def test_an_object_that_is_cut_in_the_middle_is_mended(
    between: Relay, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_cache, "_PIECE", 200_000)
    cuts = cut(between, SEVEN, 90_000, 1)
    folder = fetch_table(url, 1, tmp_path / "cache", 10)
    assert len(cuts) == 1
    # two pieces, one of them twice
    assert sum(between.gets(SEVEN).values()) == 3
    assert read_rows(folder, 1) == read_rows(str(tmp_path / "far"), 1)


@pytest.mark.proves("F19")
def test_an_object_that_is_cut_for_good_leaves_nothing_and_what_was_whole_stays(
    between: Relay, url: str, tmp_path: Path
) -> None:
    cuts = cut(between, SEVEN, 90_000, 1000)
    with pytest.raises(TableError, match=r"expected an answer from http://127.*none in 3 attempts"):
        fetch_table(url, 1, tmp_path / "cache", 10)
    assert len(cuts) == 3
    logs = {f"{0:020d}.json", f"{1:020d}.json"}
    assert files(tmp_path / "cache") == {".lock", ".in-use", ONE, *logs}
    between.is_broken = lambda _: False
    between.forget()
    folder = fetch_table(url, 1, tmp_path / "cache", 10)
    assert [Path(path).name for path in between.gets()] == [SEVEN]
    assert read_rows(folder, 1) == read_rows(str(tmp_path / "far"), 1)


def test_a_fetch_that_is_killed_goes_on_with_what_is_missing(
    between: Relay, url: str, tmp_path: Path
) -> None:
    cache, is_held, is_free = tmp_path / "cache", threading.Event(), threading.Event()

    def hold(exchange: Exchange) -> bool:
        if exchange.method == "GET" and SEVEN in exchange.path and exchange.num_bytes > 90_000:
            is_held.set()
            is_free.wait(_PATIENCE_S)
        return False

    between.is_broken = hold
    program = (
        "from pathlib import Path; from pipelines.loading.table_cache import fetch_table; "
        f"fetch_table({url!r}, 1, Path({str(cache)!r}), 10)"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        is_in_time = is_held.wait(_PATIENCE_S)
        deadline = time.monotonic() + _PATIENCE_S
        while is_in_time and ONE not in files(cache) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert is_in_time
    assert ONE in files(cache)
    is_free.set()
    assert SEVEN not in files(cache)
    between.is_broken = lambda _: False
    between.forget()
    folder = fetch_table(url, 1, cache, 10)
    assert [Path(path).name for path in between.gets()] == [SEVEN]
    assert not [name for name in files(cache) if name.endswith(".tmp")]
    assert read_rows(folder, 1) == read_rows(str(tmp_path / "far"), 1)


def test_an_object_that_is_gone_is_named(
    between: Relay, s3: S3Server, url: str, tmp_path: Path
) -> None:
    s3.files().delete_file(f"{url.removeprefix('s3://')}/split=train/{SEVEN}")
    with pytest.raises(
        TableError, match=rf"expected the file .*{SEVEN} of this version; it is gone"
    ):
        fetch_table(url, 1, tmp_path / "cache", 10)
    assert SEVEN not in files(tmp_path / "cache")
    assert len(read_rows(fetch_table(url, 0, tmp_path / "cache", 10), 0)) == 40_000


def test_an_object_of_another_size_is_refused_before_it_crosses(
    between: Relay, s3: S3Server, url: str, tmp_path: Path
) -> None:
    with s3.files().open_output_stream(f"{url.removeprefix('s3://')}/split=train/{SEVEN}") as out:
        out.write(b"another file")
    with pytest.raises(TableError, match=rf"{SEVEN}: expected \d+ bytes by the log; got 12"):
        fetch_table(url, 1, tmp_path / "cache", 10)
    assert not between.gets(SEVEN)
    assert SEVEN not in files(tmp_path / "cache")


def test_an_object_that_is_altered_between_its_pieces_is_refused(
    between: Relay, s3: S3Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_cache, "_PIECE", 200_000)
    path, store, done = f"{url.removeprefix('s3://')}/split=train/{SEVEN}", s3.files(), set[str]()
    content = stored(s3, url, SEVEN).read_bytes()
    with store.open_output_stream(f"{path}.other") as out:
        out.write(content[:-1] + bytes([content[-1] ^ 1]))

    def alter(exchange: Exchange) -> bool:
        if exchange.method == "GET" and SEVEN in exchange.path and not done:
            done.add(exchange.path)
            store.copy_file(f"{path}.other", path)
        return False

    between.is_broken = alter
    with pytest.raises(TableError, match=rf"{SEVEN}: expected one file; it was altered while"):
        fetch_table(url, 1, tmp_path / "cache", 10)
    assert sum(between.gets(SEVEN).values()) == 2
    assert done
    assert not {SEVEN, f".{SEVEN}.tmp"} & files(tmp_path / "cache")


def test_a_table_that_was_made_anew_is_fetched_anew(
    between: Relay, s3: S3Server, tmp_path: Path
) -> None:
    name, cache = f"tables/{tmp_path.name}", tmp_path / "cache"
    old = write_table(tmp_path / "old", {"train": [rows(1000)]})
    new = write_table(tmp_path / "new", {"train": [rows(1000, first_id=5000)]})
    logs = [folder / "_delta_log" / f"{0:020d}.json" for folder in (old, new)]
    assert logs[0].stat().st_size == logs[1].stat().st_size  # a size alone would not tell
    url = s3.upload(old, name)
    os.utime(stored(s3, url, logs[0].name), (0, 1_700_000_000))
    assert min(read_rows(fetch_table(url, 0, cache, 10), 0)) == 0
    s3.upload(new, name)
    with pytest.raises(TableError, match="made anew while another process reads the old one"):
        fetch_table(url, 0, cache, 10)
    release_tables()
    folder = fetch_table(url, 0, cache, 10)
    assert read_rows(folder, 0) == read_rows(str(new), 0)
    assert min(read_rows(folder, 0)) == 5000


def test_the_bound_is_kept_and_what_does_not_fit_does_not_cross(
    between: Relay, s3: S3Server, url: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = fetch_table(url, 0, cache, 1)
    other = s3.upload(tmp_path / "far", f"tables/{tmp_path.name}-other")
    between.forget()
    with pytest.raises(ParameterError, match=r"fit into 1 MB; .* holds 0\.7 MB that are in use"):
        fetch_table(other, 0, cache, 1)
    assert not between.gets("parquet")
    release_tables()
    fetch_table(other, 0, cache, 1)
    assert not Path(first).exists()
    assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) <= 1_000_000


UNKNOWN = {"AWS_ACCESS_KEY_ID": "AKNOBODY"}
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


@pytest.mark.parametrize(
    "case",
    [
        (NO_KEYS, "", r"expected keys for http://127\S*; found none, .* Looked at AWS_ACC"),
        (UNKNOWN, "", r"expected keys that http://127\S* knows; it refuses those of AWS_ACC"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "", r"it refuses .* SIGNATURE_DOES_NOT_MATCH"),
        (
            {},
            "s3://no-such-bucket/t",
            r"expected a bucket 'no-such-bucket'; http://127\S* has none",
        ),
        ({}, "s3://lake/no/such/table", "expected a Delta table; there is no folder _delta_log"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            "",
            r"answer from http://127.0.0.1:1; got none in 3 attempts .*Couldn't connect",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://no-such-host.invalid"},
            "",
            r"answer from http://no-such-host.invalid; got none in 3 .*Couldn't resolve",
        ),
    ],
)
@pytest.mark.usefixtures("between")
def test_what_is_missing_is_said(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[dict[str, str], str, str]
) -> None:
    settings, table, message = case
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TableError, match=message) as raised:
        fetch_table(table or url, 1, tmp_path / "cache", 10)
    assert "\n" not in str(raised.value)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(raised.value) or settings == NO_KEYS
    assert files(tmp_path / "cache") == {".lock", ".in-use"}


def test_a_version_that_is_not_there_is_said_of_the_address(
    between: Relay, url: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=rf"{url}@v5: expected version 5.*versions 0 to 1"):
        fetch_table(url, 5, tmp_path / "cache", 10)


def test_a_server_that_does_not_answer_is_given_up(
    between: Relay, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SILENT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TableError, match="got none in 3 attempts"):
            fetch_table(url, 1, tmp_path / "cache", 10)
        silent.settimeout(0)
        taken = [silent.accept()[0] for _ in range(3)]
        with pytest.raises(BlockingIOError):
            silent.accept()
        for connection in taken:
            connection.close()


class _Page(BaseHTTPRequestHandler):
    """A web server that is no S3 server."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's
        pass


def test_a_server_that_is_none_of_s3_is_said(
    between: Relay, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(TableError, match=r"expected an S3 server at http://127\S*; got When"):
            fetch_table(url, 1, tmp_path / "cache", 10)
        server.shutdown()


def test_keys_in_an_address_are_refused_and_not_repeated(between: Relay, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="got one with keys in it") as raised:
        fetch_table("s3://AKEXAMPLE:se/cret" + "@lake/table", 0, tmp_path / "cache", 10)
    assert "AKEXAMPLE" not in str(raised.value)
    assert between.requests == []


def test_blanks_and_encoded_names_are_read(between: Relay, s3: S3Server, tmp_path: Path) -> None:
    table = write_table(tmp_path / "far", {"train": [rows(10)]})
    s3.upload(table, f"tables/{tmp_path.name}/a b")
    for name in ("a b", "a%20b/"):
        folder = fetch_table(f"s3a://lake/tables/{tmp_path.name}/{name}", 0, tmp_path / "cache", 1)
        assert np.array_equal(sorted(read_rows(folder, 0)), np.arange(10))
        assert pq.read_table(next(Path(folder).rglob("*.parquet"))).num_rows == 10
