"""The launcher: environment, output, and how ranks end together. No TensorFlow in these ranks."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from pipelines.errors import RankLostError, TrainingError
from pipelines.training.heartbeat import HANG_S
from pipelines.training.launcher import launch
from pipelines.training.rendezvous import rendezvous

SLEEP = "import time; time.sleep(60)"
ROOT = Path(__file__).parents[3]


def _ranks(code: str, size: int, hang_s: float = HANG_S) -> str:
    rank = "import os, sys; rank = int(os.environ['HOROVOD_RANK'])\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        return launch([sys.executable, "-c", rank + code], size, hang_s=hang_s)


def test_the_output_of_rank_0_is_given_back() -> None:
    assert _ranks("print(rank, os.environ['HOROVOD_SIZE'])", 3) == "0 3\n"


def test_ranks_talk_on_loopback_and_do_not_share_threads() -> None:
    names = ("GLOO_RENDEZVOUS_ADDR", "GLOO_IFACE", "CONTROLLER", "CPU_OPERATIONS")
    code = (
        f"print([os.environ['HOROVOD_' + name] for name in {names}], os.environ['OMP_NUM_THREADS'])"
    )
    assert _ranks(code, 64) == "['127.0.0.1', 'lo', 'gloo', 'gloo'] 1\n"


def test_what_rank_0_says_is_shown_without_tensorflows_greetings(
    capfd: pytest.CaptureFixture[str],
) -> None:
    _ranks(
        "print('I0000 00:00:1.2 7 port.cc:153] oneDNN', file=sys.stderr)\n"
        "print('hello from', rank, file=sys.stderr)",
        2,
    )
    assert capfd.readouterr().err == "hello from 0\n"


def test_a_rank_that_fails_ends_the_others_and_is_named_with_its_last_words() -> None:
    code = "if rank == 1: print('disk on fire', file=sys.stderr); sys.exit(3)\n" + SLEEP
    started = time.monotonic()
    with pytest.raises(TrainingError, match=r"rank 1 of 3 ended with code 3(.|\n)*disk on fire"):
        _ranks(code, 3)
    assert time.monotonic() - started < 10


def test_an_error_line_of_a_rank_is_its_message() -> None:
    code = "if rank == 1: print('error: too hot', file=sys.stderr); sys.exit(1)\n" + SLEEP
    with pytest.raises(TrainingError, match=r"^rank 1 of 2: too hot$"):
        _ranks(code, 2)


@pytest.mark.proves("F21")
def test_a_rank_that_is_killed_is_named_though_the_others_complain_too() -> None:
    code = (
        "import signal, time\n"
        "if rank == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.exit('error: a friend is gone')"
    )
    with pytest.raises(RankLostError, match="rank 1 of 2 was ended by SIGKILL"):
        _ranks(code, 2)


_STEPS = (
    "import signal, time; from pipelines.training.heartbeat import heartbeat\n"
    "with heartbeat() as beat:\n"
    "    for step in range(1000):\n"
    "        if rank == 1 and step == 3: {fault}\n"
    "        if rank == 1 or step < 4: beat()\n"  # the other waits for it in its fourth step
    "        time.sleep(0.1)\n"
)


def test_a_rank_that_gets_nowhere_is_named_in_bounded_time() -> None:
    started = time.monotonic()
    with pytest.raises(RankLostError, match=r"rank 1 of 2 hangs: .* it lives and has begun none"):
        _ranks(_STEPS.format(fault="time.sleep(60)"), 2, hang_s=3.0)
    assert time.monotonic() - started < 20


@pytest.mark.proves("F22")
def test_a_rank_that_is_stopped_is_named_in_bounded_time() -> None:
    started = time.monotonic()
    with pytest.raises(RankLostError, match=r"rank 1 of 2 hangs: .* no sign of life"):
        _ranks(_STEPS.format(fault="os.kill(os.getpid(), signal.SIGSTOP)"), 2, hang_s=3.0)
    assert time.monotonic() - started < 20


def test_ranks_that_move_are_left_alone() -> None:
    code = (
        "import time; from pipelines.training.heartbeat import heartbeat\n"
        "time.sleep(3 * rank)\n"  # importing takes long, and is no step
        "with heartbeat() as beat:\n"
        "    for _ in range(8): beat(); time.sleep(0.5)\n"
        "time.sleep(3)\n"  # nor is saving a model
        "print('done')"
    )
    assert _ranks(code, 2, hang_s=2.0) == "done\n"


def test_ranks_die_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pipelines.training.launcher import launch\n"
        f"launch([sys.executable, '-c', {SLEEP!r}], 2)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    watched = psutil.Process(launcher.pid)
    deadline = time.monotonic() + 20
    while len(watched.children()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ranks = watched.children()
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()
    _, alive = psutil.wait_procs(ranks, timeout=10)
    assert not alive


def test_launching_imports_no_tensorflow() -> None:
    code = (
        "import sys, pipelines.train; print({'tensorflow', 'keras', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_the_rendezvous_keeps_what_it_is_told() -> None:
    with rendezvous() as port:
        url = f"http://127.0.0.1:{port}/scope/key"
        with pytest.raises(urllib.error.HTTPError, match="404") as missing:
            urllib.request.urlopen(url)
        missing.value.close()
        put = urllib.request.Request(url, data=b"value", method="PUT")
        urllib.request.urlopen(put).close()
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"value"
