"""TensorBoard logs of the root rank; the others write nothing."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from pipelines.training.checkpoint import Progress
from pipelines.world import World


@contextmanager
def open_summaries(folder: Path, world: World) -> Generator[Callable[[Progress], None], None, None]:
    """Give a function that writes the last epoch of a history."""
    if not world.is_root:
        yield lambda _: None
        return
    writer = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def write(progress: Progress) -> None:
        with writer.as_default(step=progress.epoch):
            for name, value in progress.history[-1].items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
        writer.flush()

    try:
        yield write
    finally:
        writer.close()
