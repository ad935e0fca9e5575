"""Each optimizer with another schedule, loss and penalty, trained as one rank of a world."""

from typing import Any

from pipelines.training.distillation import Teaching
from pipelines.training.loop import Loop
from pipelines.training.method import Method
from pipelines.training.objective import Objective
from pipelines.training.pruning import Sparsity
from pipelines.world import World
from tests.pipelines.training.scenarios import CLASSES, NUMBER, cut_short, make_loop, weights


def teach(inputs: Any) -> Any:
    """A teacher who looks at the number only."""
    return 3.0 * inputs["numeric"] - 1.0


# 331 rows in batches of 48: seven steps an epoch, the last one ragged
WAYS: dict[str, dict[str, Any]] = {
    "gradient-descent": {
        "method": Method("gradient-descent", schedule="constant", clip_norm=0.5, layer_decay=0.7),
        "objective": Objective("mse", label_smoothing=0.1),
        "learning_rate": 2.0,
    },
    "sgd": {
        "method": Method("sgd", schedule="step", decay_epochs=1, clip_value=0.05),
        "objective": Objective(l1=0.01, l2=0.02),
        "learning_rate": 0.5,
    },
    "momentum": {
        "method": Method("momentum", schedule="plateau", decay_epochs=1),
        "objective": Objective("focal", class_weights=(0.7, 2.0)),
        "learning_rate": 1.0,
    },
    "nesterov": {"method": Method("nesterov", schedule="one-cycle"), "learning_rate": 0.1},
    "adagrad": {
        "method": Method("adagrad", schedule="dynamic", window_steps=3),
        "learning_rate": 0.3,
    },
    "rmsprop": {"method": Method("rmsprop"), "objective": Objective(class_weights=(2.0, 0.5))},
    "adam": {"method": Method("adam", clip_norm=0.1), "objective": Objective("focal")},
    "classes": {
        "features": CLASSES,
        "method": Method("adamw", clip_norm=0.2),
        "objective": Objective(
            "focal",
            label_smoothing=0.1,
            class_weights=(1.0, 2.0, 0.5, 1.0, 1.0),
            target=CLASSES.target,
        ),
    },
    "plain-classes": {
        "features": CLASSES,
        "method": Method("adamw"),
        "objective": Objective(target=CLASSES.target),
    },
    "number": {
        "features": NUMBER,
        "method": Method("adamw"),
        "objective": Objective("huber", delta=0.8, l2=0.01, target=NUMBER.target),
    },
    "pruned": {
        "method": Method("adamw", layer_decay=0.5),
        # all zeros are there after eight steps, before it is cut short
        "sparsity": Sparsity(0.6, 0.4),
        "objective": Objective(l2=0.01),
    },
    "distilled": {
        "method": Method("adamw"),
        "teacher": teach,
        "objective": Objective(class_weights=(0.5, 2.0), teaching=Teaching(0.6, 3.0)),
    },
    "lamb": {"method": Method("lamb", schedule="constant"), "objective": Objective(l2=0.1)},
}


def loop_of(table: str, folder: str, world: World, way: str, **changes: Any) -> Loop:
    """A loop of one of ``WAYS``, warmed up for a fifth of an epoch, so one or two steps."""
    return make_loop(table, folder, world, warmup_epochs=0.2, **(WAYS[way] | changes))


def train_each_way(table: str, folder: str, world: World) -> dict[str, Any]:
    """Weights and history of each."""
    said: dict[str, Any] = {}
    for way in WAYS:
        loop = loop_of(table, f"{folder}/{way}", world, way)
        history = loop.run().progress.history
        said[way] = {"weights": weights(loop), "history": history}
    # to be resumed by another number of ranks
    cut = loop_of(table, f"{folder}/cut-ways", world, "gradient-descent", checkpoint_steps=2)
    return said | {"kept": cut_short(cut)}
