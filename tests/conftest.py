"""What all tests share. Started through infra/bin/test, which sets the environment."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """The one Spark session of the run; few partitions, since the rows of a test are few."""
    from pipelines.spark.session import spark_session  # noqa: PLC0415  the tests without it start fast

    session = spark_session("tests")
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    session.stop()
