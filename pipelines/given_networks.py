"""Networks that a training is given: the one it starts from, and a teacher.

Where training meets the registry and the opening of models. Keras and MLflow are imported when they
are needed: a process that launches must start at once.
"""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.state import file_digest, read_features, read_json
from pipelines.storage.place import place
from pipelines.training.home import state_beside
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureSet

if TYPE_CHECKING:
    import keras

    from pipelines.training.distillation import Teacher

_REGISTERED = re.compile(r"(\w+)@(champion|\d+)", re.ASCII)


def resolve_start(params: TrainParams) -> TrainParams:
    """Name the file of a registered model to start from, once all of its package is verified."""
    named = _REGISTERED.fullmatch(params.start_from)
    if not named:
        return params
    # MLflow takes seconds, and ranks are given the file
    from pipelines.registry import package, store  # noqa: PLC0415

    registry = store.open_registry(params.registry, Layout(params.root, params.dataset).registry)
    try:
        version = store.resolve(registry, named[1], named[2])
    except ParameterError as error:
        raise ParameterError(str(error).replace("--model", "--start-from", 1)) from error
    digest = package.digest_of(version.name, version.number, version.tags)
    package.open_package(version.folder, digest)
    return replace(params, start_from=str(version.folder / package.MODEL))


def begin_with(params: TrainParams, features: FeatureSet, model: "keras.Model") -> dict[str, str]:
    """Give the model the weights that it is to start from, and say which; hold what is frozen."""
    if not params.start_from:
        return {}
    from pipelines.evaluation.predict import open_network  # noqa: PLC0415
    from pipelines.training.meanings import Meaning  # noqa: PLC0415
    from pipelines.training.transfer import freeze, take_weights  # noqa: PLC0415

    source = open_network(params.start_from, file_digest(place(params.start_from)))
    known = state_beside(params.start_from)
    theirs = Meaning.of(read_features(known), read_json(known)) if known else None
    ours = Meaning.of(features, read_json(place(params.state)))
    taken = take_weights(model, ours, source, theirs)
    held = freeze(model, params.freeze, taken)
    frozen = f"; frozen: {', '.join(held)}" if held else ""
    return {"start": f"start from {params.start_from}: {taken}{frozen}"}


def open_teacher(params: TrainParams, features: FeatureSet, student: "keras.Model") -> "Teacher":
    """Open the network that the student learns from, beside its labels."""
    from pipelines.evaluation.predict import gives_logits, open_network  # noqa: PLC0415
    from pipelines.training.distillation import make_teacher  # noqa: PLC0415

    teacher = open_network(params.teacher, file_digest(place(params.teacher)))
    is_logit = gives_logits(teacher, features.target)
    return make_teacher(teacher, student, features.target, is_logit=is_logit)
