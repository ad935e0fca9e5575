"""Hadoop's client of S3 (S3A), told what AWS's own tools are told: the server and its region."""

import os
from typing import Any
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from pipelines.errors import GristmillError
from pipelines.storage.aws import AwsSettings, aws_settings

_CLASS = "org.apache.hadoop.fs.s3a.S3AFileSystem"
_S3 = ("s3", "s3a", "s3n")
# a dead server is said within half a minute, a short break is mended
_TIMES = {
    "fs.s3a.connection.establish.timeout": "5s",
    "fs.s3a.connection.timeout": "30s",
    "fs.s3a.attempts.maximum": "3",
    "fs.s3a.retry.limit": "2",
    "fs.s3a.retry.interval": "200ms",
}


def reach_root(spark: SparkSession, root: str) -> None:
    """Let this session reach ``root``; nothing to do for a local one, HDFS or Azure.

    Keys are not passed on: S3A looks for them where AWS's tools do, on each machine.

    Raises:
        GristmillError: ``root`` is on S3, and S3A is not among Spark's jars.
        ParameterError: The settings of AWS's tools are wrong.
    """
    if urlsplit(root).scheme not in _S3:
        return
    # pyspark has no public way to Spark's JVM and to Hadoop's settings
    context: Any = spark.sparkContext
    if not context._jvm.org.apache.spark.util.Utils.classIsLoadable(_CLASS):  # noqa: SLF001
        raise GristmillError(
            f"expected S3A among Spark's jars, to reach {root}; it is not there. Run infra/bin/"
            "setup --storage, then start through infra/bin/ or set SPARK_CONF_DIR"
        )
    hadoop = context._jsc.hadoopConfiguration()  # noqa: SLF001
    for key, value in s3a_settings(aws_settings(os.environ)).items():
        hadoop.set(key, value)


def s3a_settings(settings: AwsSettings) -> dict[str, str]:
    """Give the settings of S3A that stand for those of AWS's tools; none of them is a secret."""
    provider = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
    found = {"fs.s3a.aws.credentials.provider": provider, **_TIMES}
    found |= {f"fs.{scheme}.impl": _CLASS for scheme in _S3}
    if settings.endpoint:
        # another server has one name for all of its buckets
        found |= {
            "fs.s3a.endpoint": settings.endpoint,
            "fs.s3a.endpoint.region": settings.region,
            "fs.s3a.path.style.access": "true",
        }
    return found
