"""Open a Keras model once per process and apply it in batches.

Evaluation and the Spark scoring job share this module, so they give the same probabilities.
``model.predict`` sets up a data pipeline per call, 130 ms and more; a traced function does not.
Keras is imported when the first model is opened: the driver of a Spark job never needs it.
"""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from pipelines.errors import ParameterError
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.model_file import check_model_file
from pipelines.state import file_digest
from pipelines.storage.copies import local_file
from pipelines.storage.place import place
from schemas.target import BINARY, Target

Predictor: TypeAlias = Callable[[Arrays], npt.NDArray[np.float64]]

# of rows that hold lists or pictures: a layer makes a hundred numbers of each item
_CHUNK_ROWS = 512
_opened: list[str] = []


def open_predictor(
    model: str, digest: str, target: Target = BINARY, num_threads: int = 0
) -> Predictor:
    """Open the ``.keras`` file ``model``, once per process.

    Args:
        model: Path of the file.
        digest: SHA-256 it must have, in hex; checked before anything of it is read as a model.
        target: What it must give.
        num_threads: TensorFlow's threads in this process, 0 for one per core. Only the first
            model that a process opens can set it.

    Returns:
        A function from arrays of any number of rows: to the probability of label 1, (rows,); of
        classes to the probability of each, (rows, K); of a number to it, (rows,).

    Raises:
        ParameterError: The file is missing, has another digest, or is no plain network.
    """
    return _open(model, digest, target, num_threads)


def num_opened(model: str) -> int:
    """How often this process has read the file ``model`` as a model."""
    return _opened.count(model)


@cache
def _open(model: str, digest: str, target: Target, num_threads: int) -> Predictor:
    _set_threads(num_threads)
    return make_predictor(open_network(model, digest), target)


def open_network(model: str, digest: str) -> Any:
    """Read the ``.keras`` file ``model`` as a Keras network, to look into it or to go on from it.

    Raises:
        ParameterError: As ``open_predictor``.
    """
    with local_file(place(model)) as file:
        check_digest(file, digest, model)
        check_model_file(file)
        return _load(model, file)


def _set_threads(num_threads: int) -> None:
    import tensorflow as tf  # noqa: PLC0415  seconds to import: see the module

    if num_threads and not _opened:
        tf.config.threading.set_intra_op_parallelism_threads(num_threads)
        tf.config.threading.set_inter_op_parallelism_threads(num_threads)


def _load(model: str, file: Path) -> Any:
    import keras  # noqa: PLC0415

    try:
        loaded: Any = keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, ValueError, BadZipFile) as error:
        # a .keras file is a ZIP archive, with a CRC-32 of each part
        raise ParameterError(
            f"{model}: expected a model that Keras can load; {type(error).__name__}: {error}. If "
            "the file was altered, delete it and run train again"
        ) from error
    _opened.append(model)
    return loaded


def check_digest(file: Path, digest: str, name: str = "") -> None:
    """Raise ``ParameterError`` unless ``file``, a copy of ``name``, has the SHA-256 ``digest``."""
    named = name or str(file)
    if not file.is_file():
        raise ParameterError(f"expected a model at {named}; found no file. Run train first")
    found = file_digest(file)
    if found != digest:
        raise ParameterError(
            f"{named}: expected SHA-256 {digest}; got {found}. The file is not the one that was "
            "registered; register the model again or restore the file"
        )


def make_predictor(model: Any, target: Target = BINARY, *, is_raw: bool = False) -> Predictor:
    """Trace ``model`` once, for any number of rows.

    Args:
        model: A Keras model whose inputs are some of those of ``Arrays``, by name, and output
            (rows, ``target.width``): probabilities, from a last layer with a sigmoid or a softmax,
            or logits, from one without activation; or a number.
        target: What it must give.
        is_raw: Give logits, (rows, ``target.width``), or numbers, (rows, 1), as they are.

    Raises:
        ParameterError: The last layer has another width or activation, or logits are wanted of a
            model that gives probabilities.
    """
    import tensorflow as tf  # noqa: PLC0415

    is_logit = gives_logits(model, target)
    if is_raw and target.kind != "number" and not is_logit:
        raise ParameterError(
            f"expected a model that gives logits, as train writes it; {model.name} gives "
            "probabilities"
        )
    shape = (-1, target.width) if is_raw or target.kind == "classes" else (-1,)
    kinds = {tensor.name: tf.as_dtype(tensor.dtype) for tensor in model.inputs}
    shapes = {tensor.name: (None, *tensor.shape[1:]) for tensor in model.inputs}
    signature = {name: tf.TensorSpec(shapes[name], kinds[name]) for name in kinds}

    def infer(inputs: dict[str, Any]) -> Any:
        output = model(inputs, training=False)
        if is_raw or not is_logit:
            return output
        return tf.sigmoid(output) if target.kind == "binary" else tf.nn.softmax(output)

    apply = tf.function(infer, input_signature=[signature])

    def predict(arrays: Arrays) -> npt.NDArray[np.float64]:
        found = np.empty((len(arrays), *shape[1:]), np.float64)
        for places in _chunks(arrays):
            rows = arrays.take(places).trimmed()
            given = {"numeric": rows.numeric, "categorical": rows.categorical, **rows.others}
            output = apply({name: tf.constant(given[name], kinds[name]) for name in kinds})
            found[places] = output.numpy().reshape(shape)
        return found

    return predict


def _chunks(arrays: Arrays) -> Iterator[Any]:
    """Cut rows into parts whose intermediate values fit into memory: numbers need no cut."""
    if not arrays.others:
        yield slice(None)
        return
    # texts of like length together: each part is as wide as its longest
    order = np.argsort(arrays.num_items, kind="stable")
    for begin in range(0, len(arrays), _CHUNK_ROWS):
        yield order[begin : begin + _CHUNK_ROWS]


def gives_logits(model: Any, target: Target) -> bool:
    """Whether what ``model`` gives are logits, not probabilities or a number.

    Raises:
        ParameterError: The last layer has another width or activation than ``target`` asks for.
    """
    layer = model.get_layer(model.output_names[0])
    activation = getattr(getattr(layer, "activation", None), "__name__", "none")
    width = model.outputs[0].shape[-1]
    known = {"binary": ("sigmoid", "linear"), "classes": ("softmax", "linear")}
    allowed = known.get(target.kind, ("linear", "none"))
    if activation not in allowed or width != target.width:
        raise ParameterError(
            f"expected a model whose last layer has the activation {' or '.join(allowed)} and the "
            f"width {target.width}; {layer.name} has the activation {activation} and {width}"
        )
    return target.kind != "number" and activation == "linear"
