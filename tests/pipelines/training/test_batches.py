"""Epochs of a split: the next one is begun early, and ended where nobody takes it."""

from collections.abc import Generator
from typing import Any, cast

from pipelines.training.batches import Batches, Epochs


class _Split:
    """Two batches an epoch; writes down what is opened and closed."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int, int]] = []

    def batches(self, epoch: int, first_step: int = 0) -> Generator[Any]:
        self.said.append(("opened", epoch, first_step))
        given = self._given(epoch, first_step)
        assert next(given) is None
        return given

    def _given(self, epoch: int, first_step: int) -> Generator[Any]:
        try:
            yield None
            for step in range(first_step, 2):
                yield epoch, step
        finally:
            self.said.append(("closed", epoch, first_step))


def test_an_epoch_that_was_begun_is_the_one_that_is_taken() -> None:
    split = _Split()
    epochs = Epochs(cast("Batches", split))
    epochs.begin(2)
    assert split.said == [("opened", 2, 0)]
    assert list(epochs.take(2, 0)) == [(2, 0), (2, 1)]
    assert split.said == [("opened", 2, 0), ("closed", 2, 0)]


def test_an_epoch_that_nobody_takes_is_ended() -> None:
    split = _Split()
    epochs = Epochs(cast("Batches", split))
    epochs.begin(2)
    epochs.close()
    epochs.close()
    assert split.said == [("opened", 2, 0), ("closed", 2, 0)]


def test_an_epoch_that_goes_on_inside_is_opened_there() -> None:
    split = _Split()
    epochs = Epochs(cast("Batches", split))
    epochs.begin(2)
    assert list(epochs.take(2, 1)) == [(2, 1)]
    assert split.said[:3] == [("opened", 2, 0), ("closed", 2, 0), ("opened", 2, 1)]
