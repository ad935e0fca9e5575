"""A process without Spark that appends to small tables as our steps do, and says how it went."""

import json
import sys
from pathlib import Path

import pyarrow as pa

from pipelines.tables.write_records import append_once

SCHEMA = pa.schema([("name", pa.string()), ("total", pa.int64())])

if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        _, path, name = json.loads(line)
        append_once(Path(path), [{"name": name, "total": 1}], SCHEMA, name)
        print("done", flush=True)
