"""What all tests share. Started through infra/bin/test, which sets the environment."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.s3_server import S3Server

# a client of S3 would ask Amazon's metadata service beyond this machine
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        default="",
        metavar="DIR",
        help="folder in which gristmill fetch --to DIR put data",
    )


@pytest.fixture(scope="session")
def public_data(pytestconfig: pytest.Config) -> Path:
    """The folder of fetched data sets; a test that asks for it is marked ``data``."""
    folder = pytestconfig.getoption("--data")
    if not folder:
        pytest.fail(
            "expected --data DIR, the folder of fetched data sets. Get each by infra/bin/gristmill "
            "fetch NAME --to DIR, then run infra/bin/test --data DIR"
        )
    return Path(folder).absolute()


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """The one Spark session of the run; few partitions, since the rows of a test are few."""
    from pipelines.spark.session import spark_session  # noqa: PLC0415  the tests without it start fast

    session = spark_session("tests")
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[S3Server]":
    """The one S3 server of the run; each test takes a folder of its own in its bucket."""
    from tests.s3_server import s3_server  # noqa: PLC0415  the same

    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of an empty database, in a cluster of the tests' own."""
    from tests.postgres_server import USER, postgres_server  # noqa: PLC0415  the same

    with postgres_server("models") as folder:
        yield f"postgresql://{USER}@/models?host={folder}"
