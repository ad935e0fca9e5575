"""Published files come whole and right, from a folder or an address, or nothing changes."""

import gzip
import hashlib
import io
import re
import socket
import stat
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import pipelines.fetch
from jobs.run import main
from pipelines.errors import ContractError, ParameterError
from pipelines.fetch import FetchParams, FetchResult, run
from pipelines.sources.download import check_address, join_address
from schemas.contract import DatasetSpec, PublicFile
from tests.pipelines.sources.rides import spec

RIDES = b"ride_id,fare\n1,2.5\n"
LONG = b"0123456789" * 1_000
TABLE = b"a,b\n" * 5_000


def _public(name: str, content: bytes, archive: str = "", member: str = "") -> PublicFile:
    digest = hashlib.sha256(content).hexdigest()
    return PublicFile(name, digest, len(content), archive, member)


PLAIN = _public("rides.csv", RIDES)
GZIPPED = _public("long.csv", LONG, "long.csv.gz")
ZIPPED = _public("table.csv", TABLE, "table.zip", "inside/table.csv")


def _zip(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


GOOD = {
    "rides.csv": RIDES,
    "long.csv.gz": gzip.compress(LONG),
    "table.zip": _zip(("inside/other.csv", b"x"), ("inside/table.csv", TABLE)),
}


@dataclass
class Site:
    """A server on loopback: what it answers by name, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    stated: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def _serving(site: Site) -> Generator[None]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's
            pass

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            site.asked.append(self.path)
            if name in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[name])
                self.end_headers()
            elif name not in site.files:
                self.send_error(404)
            else:
                content = site.files[name]
                self.send_response(200)
                stated = site.stated.get(name, len(content))
                if stated >= 0:
                    self.send_header("Content-Length", str(stated))
                self.end_headers()
                self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_port}/data"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site(files=dict(GOOD))
    with _serving(made):
        yield made


@pytest.fixture
def contract(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the data set ``rides`` be published as these files."""

    def publish(*files: PublicFile, origin: str = "https://localhost:1") -> None:
        made: DatasetSpec = replace(spec(), files=files, origin=origin)
        monkeypatch.setattr(pipelines.fetch, "dataset", lambda _: made)

    publish(PLAIN, GZIPPED, ZIPPED)
    return publish


def _folder(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def _there(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


ALL = {"rides/rides.csv": RIDES, "rides/long.csv": LONG, "rides/table.csv": TABLE}
NAMES = ("rides.csv", "long.csv", "table.csv")


def _fetch(tmp_path: Path, origin: object) -> FetchResult:
    return run(FetchParams("rides", str(origin), str(tmp_path / "data")))


@pytest.mark.usefixtures("contract")
def test_files_come_out_of_a_folder_unpacked_and_nothing_else_is_left(tmp_path: Path) -> None:
    made = _fetch(tmp_path, _folder(tmp_path / "there", GOOD))
    assert (made.fetched, made.there) == (NAMES, ())
    assert made.folder == str(tmp_path / "data" / "rides")
    assert _there(tmp_path / "data") == ALL


@pytest.mark.usefixtures("contract")
def test_files_come_from_a_server_once(tmp_path: Path, site: Site) -> None:
    assert _fetch(tmp_path, f"{site.address}/").fetched == NAMES
    assert _there(tmp_path / "data") == ALL
    assert site.asked == ["/data/rides.csv", "/data/long.csv.gz", "/data/table.zip"]
    again = _fetch(tmp_path, site.address)
    assert (again.fetched, again.there, len(site.asked)) == ((), NAMES, 3)


@pytest.mark.usefixtures("contract")
def test_what_was_altered_since_is_fetched_again_and_only_that(tmp_path: Path, site: Site) -> None:
    _fetch(tmp_path, site.address)
    (tmp_path / "data" / "rides" / "long.csv").write_bytes(LONG[::-1])
    (tmp_path / "data" / "rides" / "table.csv").write_bytes(TABLE[1:])
    site.asked.clear()
    assert _fetch(tmp_path, site.address).fetched == ("long.csv", "table.csv")
    assert site.asked == ["/data/long.csv.gz", "/data/table.zip"]
    assert _there(tmp_path / "data") == ALL


def test_a_redirect_to_the_same_kind_of_place_is_followed(
    tmp_path: Path, site: Site, contract: Callable[..., None]
) -> None:
    contract(PLAIN)
    site.redirects["rides.csv"] = f"{site.address}/moved.csv"
    site.files["moved.csv"] = RIDES
    assert _fetch(tmp_path, site.address).fetched == ("rides.csv",)


def test_the_origin_of_the_contract_is_asked_where_none_is_given(
    tmp_path: Path, site: Site, contract: Callable[..., None]
) -> None:
    contract(PLAIN, origin=site.address)
    assert _fetch(tmp_path, "").fetched == ("rides.csv",)


OTHER = RIDES.replace(b"2", b"3")
OTHER_DIGEST = hashlib.sha256(OTHER).hexdigest()
LINK = zipfile.ZipInfo("link")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16
WRONG = [
    ("rides.csv", OTHER, rf"rides\.csv: expected the SHA-256 {PLAIN.sha256}; {OTHER_DIGEST} came"),
    ("rides.csv", RIDES[:-1], "expected 19 bytes.*; got 18"),
    ("rides.csv", RIDES + b"x", r"at most 19 bytes at .*rides\.csv; it has 20 or more"),
    ("long.csv.gz", gzip.compress(LONG + b"x"), "expected 10,000 bytes.*; got 10,001 or more"),
    ("long.csv.gz", gzip.compress(LONG)[:-9], "none, or damaged"),
    ("long.csv.gz", RIDES, "none, or damaged"),
    ("table.zip", RIDES, "none, or damaged"),
    ("table.zip", _zip(("table.csv", TABLE)), r"'inside/table\.csv' once in table\.zip; it holds"),
    ("table.zip", _zip(("inside/table.csv", bytes(10**8))), "100,000,000 by the archive's"),
    ("table.zip", _zip(("inside/table.csv", TABLE), ("../x", b"")), r"'\.\./x' .*points out"),
    ("table.zip", _zip(("inside/table.csv", TABLE), ("/x", b"")), "'/x' .*points out"),
    ("table.zip", _zip(("inside/table.csv", TABLE), ("a\\..\\x", b"")), "points out"),
    ("table.zip", _zip(("inside/table.csv", TABLE), (LINK, b"/etc/passwd")), "is a link"),
]  # fmt: skip


@pytest.mark.usefixtures("contract")
@pytest.mark.parametrize("is_served", [False, True])
@pytest.mark.parametrize(("name", "content", "message"), WRONG)
def test_another_file_than_the_contract_says_changes_nothing(
    name: str, content: bytes, message: str, tmp_path: Path, site: Site, *, is_served: bool
) -> None:
    before = {"rides/rides.csv": b"old", "rides/mine.txt": b"mine"}
    _folder(tmp_path / "data", {})
    _folder(tmp_path / "data" / "rides", {"rides.csv": b"old", "mine.txt": b"mine"})
    site.files[name] = content
    folder = _folder(tmp_path / "there", {**GOOD, name: content})
    with pytest.raises(ContractError, match=message):
        _fetch(tmp_path, site.address if is_served else folder)
    assert _there(tmp_path / "data") == before
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("contract")
def test_a_file_that_is_missing_or_no_file_is_named(tmp_path: Path, site: Site) -> None:
    folder = _folder(tmp_path / "there", {"rides.csv": RIDES})
    with pytest.raises(ContractError, match=r"expected a file at .*/long\.csv\.gz; it is missing"):
        _fetch(tmp_path, folder)
    (folder / "long.csv.gz").mkdir()
    with pytest.raises(ContractError, match="not a plain file"):
        _fetch(tmp_path, folder)
    del site.files["table.zip"]
    with pytest.raises(ContractError, match=r"/data/table\.zip answers 404 Not Found"):
        _fetch(tmp_path, site.address)
    assert _there(tmp_path / "data") == {}


def test_a_folder_may_hold_what_was_in_the_archive(
    tmp_path: Path, contract: Callable[..., None]
) -> None:
    contract(GZIPPED, ZIPPED)
    folder = _folder(tmp_path / "there", {"long.csv": LONG, "table.csv": TABLE})
    assert _fetch(tmp_path, folder).fetched == ("long.csv", "table.csv")
    (folder / "long.csv").write_bytes(LONG[::-1])
    (tmp_path / "data" / "rides" / "long.csv").unlink()
    with pytest.raises(ContractError, match="expected the SHA-256"):
        _fetch(tmp_path, folder)


@pytest.mark.usefixtures("contract")
def test_an_answer_that_breaks_off_is_no_file(tmp_path: Path, site: Site) -> None:
    site.files["rides.csv"], site.stated["rides.csv"] = RIDES[:7], len(RIDES)
    with pytest.raises(ContractError, match="broke off after 7 of 19 bytes"):
        _fetch(tmp_path, site.address)
    assert _there(tmp_path / "data") == {}


@pytest.mark.usefixtures("contract")
def test_an_answer_that_states_no_size_is_stopped_where_it_gets_too_large(
    tmp_path: Path, site: Site
) -> None:
    site.files["rides.csv"], site.stated["rides.csv"] = bytes(3 * 10**6), -1
    with pytest.raises(ContractError, match=r"at most 19 bytes at .*; it has 1,048,576 or more"):
        _fetch(tmp_path, site.address)


@pytest.mark.usefixtures("contract")
def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    # bound, so that nobody else can listen there meanwhile
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ContractError, match=f"{address}/rides.csv can't be reached: .*refused"):
            _fetch(tmp_path, address)


@pytest.mark.usefixtures("contract")
@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://example.org/rides.csv", "ftp://example.org/rides.csv"]
)
def test_a_redirect_to_another_kind_of_place_is_refused(
    target: str, tmp_path: Path, site: Site
) -> None:
    site.redirects["rides.csv"] = target
    with pytest.raises((ParameterError, ContractError), match=f"'{target}'"):
        _fetch(tmp_path, site.address)
    assert _there(tmp_path / "data") == {}


@pytest.mark.parametrize(
    "address",
    ["http://example.org/x", "file:///etc", "ftp://example.org", "https://", "https://[::1",
     "https://u:secret@example.org/x", "http://127.0.0.1.example.org/x", "https://h:99999999/x"],
)  # fmt: skip
def test_an_address_of_another_kind_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ParameterError, match="expected an address like https://") as caught:
        check_address(address)
    assert "secret" not in str(caught.value)


def test_a_file_is_looked_for_under_the_address_or_at_it() -> None:
    assert join_address("https://h/a/?v=1", "b c.csv") == "https://h/a/b%20c.csv?v=1"
    assert join_address("https://h/a/b.csv", "b.csv") == "https://h/a/b.csv"


@pytest.mark.usefixtures("contract")
def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--from: expected a folder or an address"):
        _fetch(tmp_path, tmp_path / "none")


def test_a_fetch_that_was_killed_leaves_nothing_that_counts(
    tmp_path: Path, contract: Callable[..., None]
) -> None:
    contract(PLAIN)
    _folder(tmp_path / "data", {})
    _folder(tmp_path / "data" / ".rides.part", {"rides.csv": b"half"})
    assert _fetch(tmp_path, _folder(tmp_path / "there", GOOD)).fetched == ("rides.csv",)
    assert _there(tmp_path / "data") == {"rides/rides.csv": RIDES}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["flights"], "flights has no files to fetch: .*kddcup99"),
        (["kddcup99_break_ins"], "kddcup99_break_ins reads the files of kddcup99: fetch that"),
        (["no_such"], "expected a data set among .*; got 'no_such'"),
        (["../flights"], "expected a data set among"),
        (["diabetes130", "--from", "http://example.org"], "expected an address like https://"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["fetch", *words, "--to", str(tmp_path / "data")])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert re.match(f"error: {message}", said.err)


@pytest.mark.usefixtures("contract")
def test_the_command_prints_one_json_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _folder(tmp_path / "there", GOOD)
    main(["fetch", "rides", "--from", str(folder), "--to", str(tmp_path / "data")])
    said = capsys.readouterr()
    assert said.out == (
        f'{{"dataset": "rides", "folder": "{tmp_path}/data/rides", '
        '"fetched": ["rides.csv", "long.csv", "table.csv"], "there": []}\n'
    )
    assert said.err == "fetched rides.csv\nfetched long.csv\nfetched table.csv\n"
