"""What Spark and Java say becomes one line; what is of another kind stays as it is."""

import errno

import pytest
from py4j.protocol import Py4JNetworkError
from pyspark.errors import PySparkException

from pipelines.errors import TableError
from pipelines.failures import plain_words

PART = "/lake/rides/part-0.c000.snappy.parquet"
SAID = [
    ("java.lang.OutOfMemoryError: Java heap space\n\tat java.base", "ran out of memory"),
    ("Job aborted: GC overhead limit exceeded", "ran out of memory"),
    (
        f"ChecksumException: Checksum error: file:{PART} at 512 exp: 1 got: 2",
        f"{PART}: expected the",
    ),
    (f"FileNotFoundException: File file:{PART} does not exist", f"{PART}: expected this file"),
    (
        f"[FAILED_READ_FILE.NO_HINT] Encountered error while reading file file://{PART}. SQLSTATE",
        f"{PART}: expected a file that was written whole",
    ),
    (
        "java.nio.file.AccessDeniedException: s3a://lake/a/part-0.parquet: Status 403",
        "s3a://lake/a/part-0.parquet: expected to be let in by the S3 server",
    ),
    ("java.io.IOException: No space left on device", "no space left on the disk of --root"),
]


@pytest.mark.parametrize(("text", "line"), SAID)
def test_words_of_java_become_one_line(text: str, line: str) -> None:
    found = plain_words(PySparkException(text))
    assert found is not None
    assert line in found
    assert "\n" not in found


def test_a_java_machine_that_has_ended_is_out_of_memory_or_killed() -> None:
    found = plain_words(Py4JNetworkError("Answer from Java side is empty"))
    assert found is not None
    assert found.startswith("Spark's driver ran out of memory or was killed")


def test_the_cause_of_an_error_tells_what_it_was() -> None:
    error = RuntimeError("the write failed")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/data/x")
    assert "no space left on the disk of /data/x" in str(plain_words(error))


@pytest.mark.parametrize("error", [ZeroDivisionError(), TableError("x"), ConnectionError("mail")])
def test_an_error_of_another_kind_says_nothing(error: Exception) -> None:
    assert plain_words(error) is None
