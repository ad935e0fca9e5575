"""Rows that several jobs read, kept for a while as Parquet: in columns, on disk.

Spark's own cache holds a hundred of its batches in memory for each task that reads it: at
10 million rows of 60 columns a heap of 2 GiB was not enough.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from pyspark.sql import DataFrame

from pipelines.storage.place import RemotePath


@contextmanager
def scratch_folder(folder: Path) -> Generator[Path]:
    """Give ``folder`` and remove it at the end; one that a killed run left is written over.

    On S3 and HDFS two runs of one step can be at work at once, so each has a folder of its own.
    """
    if isinstance(folder, RemotePath):
        folder = folder.with_name(f"{folder.name}-{uuid4().hex}")
    try:
        yield folder
    finally:
        if isinstance(folder, RemotePath):
            folder.remove_tree()
        else:
            shutil.rmtree(folder, ignore_errors=True)


def keep_rows(rows: DataFrame, folder: Path) -> DataFrame:
    """Compute ``rows`` once, into ``folder``, and give them as read from there."""
    rows.write.mode("overwrite").parquet(str(folder))
    # said, not read back from a footer: that would be one more job
    return rows.sparkSession.read.schema(rows.schema).parquet(str(folder))
