"""Never two attempts of one task: with real processes."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from airflow_dags import process

SLEEP = [sys.executable, "-c", "import time; print('on', flush=True); time.sleep(600)"]
# ignores being asked, and has a child in a session of its own
STUBBORN_SCRIPT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep, start_new_session=True, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(600)
"""
STUBBORN = [sys.executable, "-c", STUBBORN_SCRIPT]


def _start(command: list[str], mark: str) -> tuple[subprocess.Popen[str], str]:
    started = subprocess.Popen(
        command, env={**os.environ, process.MARK: mark}, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout
    return started, started.stdout.readline().strip()


def _end(started: subprocess.Popen[str]) -> None:
    started.kill()
    started.wait()
    assert started.stdout
    started.stdout.close()


def test_what_carries_the_mark_is_ended_with_all_that_it_started() -> None:
    mark = f"prepare/ingest/{os.getpid()}-1"
    started, child = _start(STUBBORN, mark)
    try:
        ended = process.end_marked(mark, ask_s=0.2)
        assert sorted(ended) == sorted([started.pid, int(child)])
        assert not any(psutil.pid_exists(number) for number in ended)
        assert process.end_marked(mark) == []
    finally:
        _end(started)


def test_what_carries_another_mark_lives_on() -> None:
    mark = f"prepare/ingest/{os.getpid()}-2"
    started, _ = _start(SLEEP, f"{mark}-of-another-run")
    try:
        assert process.end_marked(mark) == []
        assert started.poll() is None
    finally:
        _end(started)


def test_lines_of_both_streams_are_said_and_the_last_is_that_of_standard_output(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    script = "import sys; print('a', flush=True); print('b', file=sys.stderr); sys.exit(3)"
    done = process.run([sys.executable, "-c", script], os.environ, tmp_path, said.append)
    assert (done.code, done.last) == (3, "a")
    assert sorted(done.lines) == sorted(said) == ["a", "b"]


def test_a_secret_of_the_environment_is_masked_in_what_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    seen = {**os.environ, "OUR_PASSWORD": "canary-Vz21"}
    script = "import os; print('opens with', os.environ['OUR_PASSWORD'])"
    done = process.run([sys.executable, "-c", script], seen, tmp_path, said.append)
    assert said == ["opens with ***"]
    assert done.lines == ("opens with ***",)


def test_a_command_has_no_input_to_wait_for(tmp_path: Path) -> None:
    script = "import sys; print(len(sys.stdin.read()))"
    done = process.run([sys.executable, "-c", script], os.environ, tmp_path, lambda _: None)
    assert done.lines == ("0",)
