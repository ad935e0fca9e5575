"""TensorBoard logs of the root rank; the others write nothing."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import tensorflow as tf

from pipelines.training.checkpoint import Progress
from pipelines.world import World

Write: TypeAlias = Callable[[Progress, Mapping[str, float]], None]


@contextmanager
def open_summaries(folder: Path, world: World) -> Generator[Write, None, None]:
    """Give a function that writes the last epoch of a history, and the norms of its gradients."""
    if not world.is_root:
        yield lambda _, __: None
        return
    writer = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def write(progress: Progress, norms: Mapping[str, float]) -> None:
        with writer.as_default(step=progress.epoch):
            for name, value in progress.history[-1].items():
                if name != "epoch":
                    tf.summary.scalar(name, value)
            for name, value in norms.items():
                tf.summary.scalar(f"gradient_norm/{name}", value)
        writer.flush()

    try:
        yield write
    finally:
        writer.close()
