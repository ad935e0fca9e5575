"""The line of a rank that Horovod has stopped."""

import pytest
import tensorflow as tf

from pipelines.errors import RankLostError, TrainingError
from pipelines.training.heartbeat import Heartbeat
from pipelines.training.lost import explain, one_line_errors
from pipelines.world import World

# horovod 0.28.1 in a tf.function of TensorFlow 2.21
SHUT_DOWN = (
    "Graph execution error:\n\nDetected at node sum/loss defined at (most recent call last):\n"
    f'  File "{"x" * 400}", line 42, in <module>\n\n'
    "Horovod has been shut down. This was caused by an exception on one of the ranks or an attempt "
    "to allreduce, allgather or broadcast a tensor after one of the ranks finished execution.\n"
    "\t [[{{node sum/loss}}]] [Op:__inference_train_step_8]"
)


@pytest.mark.parametrize(
    ("waited_s", "said"),
    [
        (10.1, "for 10 s one gave none, and did not close its connection. A link between hosts"),
        (0.2, "one has ended or closed its connection. Its own message says why"),
    ],
)
def test_silence_and_a_closed_connection_are_told_apart(waited_s: float, said: str) -> None:
    error = explain(SHUT_DOWN, World(1, 4), waited_s, timeout_s=10)
    assert isinstance(error, RankLostError)
    assert str(error).startswith("rank 1 of 4 had to stop: expected an answer of every rank; ")
    assert said in str(error)
    assert "run again to go on from the last checkpoint" in str(error)
    assert "\n" not in str(error)


def test_another_error_of_tensorflow_is_no_lost_rank_and_says_what_went_wrong() -> None:
    message = f"Graph execution error:\n{'x' * 400}\nMatrix size-incompatible: [1,2], [3,4]"
    error = explain(message, World(0, 2), waited_s=60, timeout_s=10)
    assert not isinstance(error, RankLostError)
    assert isinstance(error, TrainingError)
    assert str(error).startswith("rank 0 of 2: TensorFlow stopped: ")
    assert str(error).endswith("Matrix size-incompatible: [1,2], [3,4]")


def test_gloos_timeout_is_the_one_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Heartbeat()
    beat.moved_s -= 20
    for timeout, said in (("30", "for 20 s one gave none"), ("60", "one has ended")):
        monkeypatch.setenv("HOROVOD_GLOO_TIMEOUT_SECONDS", timeout)
        with pytest.raises(RankLostError, match=said), one_line_errors(World(0, 2), beat):
            raise tf.errors.UnknownError(None, None, SHUT_DOWN)
