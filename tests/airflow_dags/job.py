"""Stands for infra/airflow/job: notes how a job was called, and prints what a play tells it to.

What real jobs print is tested where they run; here it matters what Airflow makes of it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).absolute().parents[2]


def main() -> None:
    """Note the call, then play."""
    flags = sys.argv[1:]
    programs = [i for i, flag in enumerate(flags) if flag.startswith("jobs/")]
    at = programs[0] if programs else 1  # infra/bin/submit takes the job's name
    job, flags = Path(flags[at]).stem, flags[at + 1 :]
    with (PROJECT / "calls.jsonl").open("a") as file:
        call = {"job": job, "flags": flags, "command": sys.argv[1:], "env": dict(os.environ)}
        file.write(json.dumps(call) + "\n")
    name = job if job != "validate" else f"validate_{_layer(flags)}"
    play = PROJECT / "plays" / f"{name}.json"
    if play.exists():
        _play(json.loads(play.read_text()))
    print(json.dumps(_line(name, flags)))


def _play(play: dict[str, Any]) -> None:
    for text in play.get("prints", ()):
        print(text, flush=True)
    if "says" in play:
        print(os.environ[play["says"]], flush=True)
    if play.get("is_told_to_end"):
        _live_on()
    if play.get("leaves"):
        _leave_one_behind(play["leaves"])
    if "code" in play:
        sys.exit(play["code"])


def _live_on() -> None:
    """Let the task be told to end while two processes live, neither of which ends when asked."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    (PROJECT / "left.txt").write_text(f"{os.getpid()} {child.pid}")
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
    (PROJECT / "outlived.txt").touch()


def _leave_one_behind(script: str) -> None:
    """The first attempt starts a process that goes on, and is killed; the next looks for it."""
    noted = PROJECT / "left.txt"
    if noted.exists():
        gone = not Path("/proc", noted.read_text()).exists()
        (PROJECT / "seen.txt").write_text("gone" if gone else "still there")
        return
    command = [sys.executable, "-c", script, str(os.getppid())]
    left = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    noted.write_text(str(left.pid))
    ready = PROJECT / "ready.txt"
    while "ready.txt" in script and not ready.exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _sources(step: str, dataset: str) -> tuple[str, ...]:
    if dataset == "flights":
        return ("flights", "weather", "planes", "airports")
    return ("parcels", "depots") if step in ("ingest", "deduplicate") else ("parcels",)


def _layer(flags: list[str]) -> str:
    return flags[flags.index("--inputs") + 1].split("/")[-2]


def _line(name: str, flags: list[str]) -> dict[str, Any]:
    said = dict(zip(flags[::2], flags[1::2], strict=False))
    dataset, root = said["--dataset"], said["--root"]
    base = f"{root}/{dataset}"
    layers = {
        "ingest": "raw",
        "deduplicate": "deduplicated",
        "split": "split",
        "impute": "imputed",
        "engineer_features": "features",
    }
    line: dict[str, Any] = {"step": name.replace("_raw", "-raw"), "dataset": dataset}
    line |= {"fingerprint": f"f-{name}", "tables": [], "rows": {}, "files": {}, "details": {}}
    if name in layers:
        wanted = _sources(name, dataset)
        line["tables"] = [f"{base}/{layers[name]}/{source}@v4" for source in wanted]
        line["rows"] = {source: {"read": 5, "kept": 5} for source in wanted}
        line["files"] = {"state": f"{base}/states/{name}.json"}
    if name.startswith("validate"):
        line["tables"] = [flag for flag in flags if "@v" in flag]
        line["details"] = {"reports": [{"success": True, "checks": [{"success": True}] * 3}]}
    if name == "train":
        line["files"] = {"model": f"{base}/model.keras"}
    if name == "evaluate":
        line["files"] = {"metrics": f"{base}/metrics.json"}
        line["details"] = {"validation": {"network": {"roc_auc": 0.7}}}
    if name == "explain":
        line["files"] = {"explanation": f"{base}/explanation.json"}
    if name == "register":
        line["details"] = {"name": dataset, "version": 2, "is_champion": True, "reason": "first"}
    if name == "score":
        line["tables"] = [f"{base}/predictions@v1"]
    return line


if __name__ == "__main__":
    main()
