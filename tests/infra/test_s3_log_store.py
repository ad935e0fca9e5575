"""Delta's log store for S3: no commit is lost between processes.

The processes are Java machines that commit to a real server by the store alone.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.spark.object_store import s3a_settings
from pipelines.storage.aws import aws_settings
from pipelines.storage.place import place
from tests.infra.commit_loops import CommitLoop, commit_loops, committed, compile_loop
from tests.relay import Exchange, Relay, relay
from tests.s3_server import S3Server

OURS = "gristmill.ConditionalLogStore"


@pytest.fixture(scope="module")
def between(s3: S3Server) -> Iterator[Relay]:
    with relay(s3.port) as found:
        yield found


@pytest.fixture(scope="module")
def loops(
    s3: S3Server, between: Relay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[CommitLoop]]:
    environment = s3.environment(between.port)
    settings = s3a_settings(aws_settings(environment))
    classes = compile_loop(tmp_path_factory.mktemp("classes"))
    lines = [
        f"<property><name>{name}</name><value>{value}</value></property>"
        for name, value in settings.items()
    ]
    text = "<configuration>" + "".join(lines) + "</configuration>"
    (classes / "core-site.xml").write_text(text)
    with commit_loops(classes, [environment] * 4) as found:
        yield found


@pytest.fixture
def log(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in s3.environment().items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return place(f"s3a://{s3.bucket}/logs/{tmp_path.name}/_delta_log")


@pytest.mark.parametrize("num_writers", [2, 4])
def test_each_acknowledged_commit_on_s3_is_there_once_with_its_own_content(
    loops: list[CommitLoop], log: Path, num_writers: int
) -> None:
    for number, loop in enumerate(loops[:num_writers]):
        loop.begin(log, f"w{number}", 25, store=OURS)
    acks = [ack for loop in loops[:num_writers] for ack in loop.acks()]
    names = {f"w{number}-{i}" for number in range(num_writers) for i in range(25)}
    assert {ack.version: ack.name for ack in acks} == committed(log)
    assert sorted(committed(log)) == list(range(25 * num_writers))
    assert set(committed(log).values()) == names


def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    loops: list[CommitLoop], between: Relay, log: Path
) -> None:
    lost: list[str] = []

    def lose(exchange: Exchange, piece: bytes) -> bool:
        is_done = piece.startswith(b"HTTP/1.1 200")  # before that it says to continue
        is_first = exchange.method == "PUT" and is_done and not lost
        lost.extend([exchange.path] if is_first else [])
        return is_first

    # the server has the object; its answer is cut short on the way
    between.is_lost = lose
    try:
        loops[0].begin(log, "a", 2, store=OURS)
        acks = loops[0].acks()
    finally:
        between.is_lost = lambda _, __: False
    assert len(lost) == 1
    assert [(ack.version, ack.name) for ack in acks] == [(0, "a-0"), (1, "a-1")]
    assert committed(log) == {0: "a-0", 1: "a-1"}
