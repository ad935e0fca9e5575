"""What a rank does in the tests of distributed training; also run as a script by the launcher.

As a script it plays all scenarios in one start of two ranks, since importing TensorFlow is what
takes long, and rank 0 prints one JSON line.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import tensorflow as tf

from pipelines.errors import TrainingError
from pipelines.loading.columns import InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.training import distributed
from pipelines.training.loop import Loop
from pipelines.training.models import build_model
from pipelines.training.settings import LoopSettings
from pipelines.training.steps import make_train_step
from pipelines.world import World
from schemas.encode import FeatureSet
from schemas.target import Target
from tests.pipelines.training.text_scenarios import weights_by_network

FEATURES = FeatureSet(("x1",), ("c0",), (5,), "label")
# the code as a class, the running number as a number
CLASSES = FeatureSet(("x1",), (), (), "c0", Target("classes", ("a", "b", "c", "d", "e")))
NUMBER = FeatureSet(("x1",), ("c0",), (5,), "x0", Target("number", mean=60.0, deviation=40.0))
# x0 of a test table is a running number: out of reach of a network, so it is left out here
REDUCTIONS = {
    "half": distributed.Reduction(is_half=True),
    "sparse": distributed.Reduction(is_sparse=True),
}
OPTIMIZERS: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipnorm=0.5),
    "adam": lambda: keras.optimizers.Adam(0.01),
}
STEPS = 20
INPUTS = InputColumns.of(FEATURES)


def make_loop(
    table: str,
    folder: str,
    world: World,
    *,
    has_batch_norm: bool = False,
    features: FeatureSet = FEATURES,
    **changes: Any,
) -> Loop:
    """A loop over a small table; 331 training rows and batches of 48 leave a ragged last step."""
    manifest = read_manifest(table, 0, InputColumns.of(features))
    settings: dict[str, Any] = {
        "folder": Path(folder),
        "epochs": 3,
        "learning_rate": 0.01,
        "warmup_epochs": 1.0,
        "patience": 0,
        "weight_decay": 0.004,
        "seed": 7,
    }
    train, validation = (
        load_split(manifest, split, world, Reading(48, seed))
        for split, seed in (("train", 7), ("validation", None))
    )
    model = build_model(features, (8, 4), 0.25, 7, has_batch_norm=has_batch_norm)
    return Loop(model, train, validation, LoopSettings(**(settings | changes)), world)


def twenty_steps(table: str, name: str, world: World) -> list[Any]:
    """The weights after 20 steps, over several epochs of a table, with a plain optimizer."""
    split = load_split(read_manifest(table, 0, INPUTS), "train", world, Reading(48, 7))
    model, optimizer = build_model(FEATURES, (8, 4), 0.0, 7), OPTIMIZERS[name]()
    distributed.broadcast_state(model, optimizer)
    epochs = (enumerate(split.batches(epoch)) for epoch in itertools.count())
    with distributed.summed_gradients(optimizer):
        train = make_train_step(model, optimizer)
        for step, batch in itertools.islice(itertools.chain.from_iterable(epochs), STEPS):
            inputs, label, weight = batch
            total, rate = split.plan.rows_in_step(step), float(optimizer.learning_rate)
            train(inputs, label, weight, np.float32(total), np.float32(rate))
    split.close()
    return [variable.numpy().tolist() for variable in model.trainable_variables]


def weights(loop: Loop) -> list[Any]:
    """The weights of the model, as lists."""
    return [variable.numpy().tolist() for variable in loop.model.trainable_variables]


def moving_averages(loop: Loop) -> list[Any]:
    """The moving averages of the batch normalisations, as lists."""
    return [variable.numpy().tolist() for variable in loop.model.non_trainable_variables
            if "moving" in variable.path]  # fmt: skip


def spread(loop: Loop) -> float:
    """Greatest difference of any weight between the ranks."""
    flat = np.concatenate([v.numpy().ravel() for v in loop.model.trainable_variables])
    bits = distributed.gather_rows(
        flat.astype(np.float32).view(np.int32).astype(np.int64), "spread"
    )
    values = bits.astype(np.int32).view(np.float32)
    return float(np.max(np.abs(values - values[0])))


def error_of(loop: Loop) -> str:
    """The message of the TrainingError that ``loop`` ends with."""
    try:
        loop.run()
    except TrainingError as error:
        return str(error)
    return "no error"


def cut_short(loop: Loop) -> list[tuple[int, int]]:
    """Run ``loop`` until its sixth checkpoint; give (epoch, step) of each."""
    keep = loop._keep
    said: list[tuple[int, int]] = []

    def keep_six(progress: Any) -> None:
        keep(progress)
        said.append((progress.epoch, progress.step))
        if len(said) == 6:
            loop._checkpoints.wait()
            raise KeyboardInterrupt

    loop._keep = keep_six
    with suppress(KeyboardInterrupt):
        loop.run()
    return said


def sockets() -> list[tuple[str, str, str]]:
    """(who, state, own address) of each TCP socket of this job: the ranks and their launcher."""
    launcher = psutil.Process(os.getppid())
    ranks = [child for child in launcher.children() if "HOROVOD_RANK" in child.environ()]
    return [
        ("launcher" if process is launcher else "rank", connection.status, connection.laddr.ip)
        for process in (launcher, *ranks)
        for connection in process.net_connections("tcp")
    ]


def main(table: str, even: str, folder: str) -> None:
    world = distributed.start()
    said: dict[str, Any] = {"size": world.size}
    loop = make_loop(table, f"{folder}/two", world)
    outcome = loop.run()
    said |= {"weights": weights(loop), "spread": spread(loop), "sockets": sockets()}
    said |= {"history": outcome.progress.history, "digest": outcome.weights_digest}

    said["kept"] = cut_short(make_loop(table, f"{folder}/cut", world, checkpoint_steps=2))

    for name, reduction in REDUCTIONS.items():
        loop = make_loop(table, f"{folder}/{name}", world, reduction=reduction)
        loop.run()
        said[name] = {"weights": weights(loop), "spread": spread(loop)}
    loop = make_loop(table, f"{folder}/norm", world, has_batch_norm=True)
    loop.run()
    said["norm"] = {"weights": weights(loop), "moving": moving_averages(loop)}

    said["twenty"] = {
        f"{name} {kind}": twenty_steps(where, name, world)
        for name in OPTIMIZERS
        for kind, where in (("ragged", table), ("even", even))
    }

    # it imports this module
    from tests.pipelines.training.method_scenarios import train_each_way  # noqa: PLC0415

    said["ways"] = train_each_way(table, folder, world)
    said["texts"] = weights_by_network(Path(folder, "texts"), Path(folder, "text-runs"), world)

    wild = make_loop(table, f"{folder}/nan", world, learning_rate=1e38)
    said["nan"] = error_of(wild)

    whole = distributed.sum_over_ranks
    distributed.sum_over_ranks = lambda grads, _, exact: [
        tf.convert_to_tensor(value) for value in (*grads, *exact)
    ]
    apart = make_loop(table, f"{folder}/apart", world, epochs=1, is_checked_for_divergence=False)
    apart._take_best = lambda: None  # it would give every rank the root's weights
    apart.run()
    said["spread_without_all_reduce"] = spread(apart)
    said["divergence"] = error_of(make_loop(table, f"{folder}/diverged", world, epochs=1))
    distributed.sum_over_ranks = whole

    if world.is_root:
        print(json.dumps(said))
    distributed.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
