"""What a job and its Spark say, as lines of JSON that name the run; the job's own line apart."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Messages:
    """Writes lines to stderr with run, job and data set beside each."""

    run: str
    job: str
    dataset: str
    is_json: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def environment(self) -> dict[str, str]:
        """Give what Spark's own lines take from the environment, see log4j2-json.properties."""
        names = {"RUN": self.run, "JOB": self.job, "DATASET": self.dataset}
        return {f"GRISTMILL_{name}": value for name, value in names.items()}

    def say(self, text: str, source: str = "job") -> None:
        """Write one line; Spark's own come as JSON already."""
        if not text.strip():
            return
        record = _record(text)
        if record is None or "level" not in record:
            # Spark's lines that log4j does not write are of its launcher
            level = "ERROR" if text.startswith("error: ") else "INFO"
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            record = {"time": now, "run": self.run, "job": self.job, "dataset": self.dataset}
            record |= {"level": level, "source": source, "message": text}
        line = json.dumps(record) if self.is_json else str(record["message"]).rstrip()
        with self._lock:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def relay(process: "subprocess.Popen[str]", messages: Messages) -> str | None:
    """Say all that comes from a job until it ends; give the last line of stdout if it is JSON.

    spark-submit joins a Python program's stderr to its stdout, so only the last line is the job's.
    """
    if process.stdout is None or process.stderr is None:
        raise ValueError("expected a process with pipes for stdout and stderr")
    beside = threading.Thread(target=_say_all, args=(process.stderr, messages))
    beside.start()
    last = None
    for line in process.stdout:
        if last is not None:
            messages.say(last)
        last = line.rstrip("\n")
    beside.join()
    record = _record(last or "")
    if record is not None and "step" in record:
        return last
    messages.say(last or "")
    return None


def _say_all(lines: Iterable[str], messages: Messages) -> None:
    for line in lines:
        messages.say(line.rstrip("\n"), "spark")


def _record(text: str) -> dict[str, object] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
