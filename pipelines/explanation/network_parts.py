"""A network cut behind the layer where its input becomes numbers that have gradients.

Codes and bytes have none: what is attributed is the embedding of a token, or a pixel that was
standardised. The networks of ``pipelines.training.networks`` name these layers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.errors import ParameterError
from pipelines.evaluation.arrays import Arrays

EMBEDDED, STANDARD = "embed_", "standard_"


@dataclass(frozen=True, slots=True)
class Cut:
    """A network in two parts, of which the second takes what the first gives, and all inputs.

    ``head`` gives (rows, ...) float32; ``tail`` what the last layer gives, (rows, width): logits or
    a number where the network is one of ours.
    """

    head: Any
    tail: Any
    names: tuple[str, ...]

    def inputs(self, arrays: Arrays) -> list[Any]:
        """Give the rows as tensors that the network takes, in the order of its inputs."""
        import tensorflow as tf  # noqa: PLC0415  seconds to import

        given = {"numeric": arrays.numeric, "categorical": arrays.categorical, **arrays.others}
        return [tf.constant(given[name]) for name in self.names]


def cut_behind(model: Any, layer: str) -> Cut:
    """Cut ``model`` behind the layer of that name.

    Raises:
        ParameterError: There is none, or it is used more than once.
    """
    import keras  # noqa: PLC0415  seconds to import, and only gradients need it

    # making a model of parts would add their calls to the layers, which others use too
    own: Any = keras.models.clone_model(model)
    own.set_weights(model.get_weights())
    found = [item for item in own.layers if item.name == layer]
    if len(found) != 1 or len(found[0]._inbound_nodes) != 1:  # noqa: SLF001  no public word
        raise ParameterError(
            f"gradients: expected a network with one layer {layer}, as this project builds them; "
            f"got the layers {[item.name for item in model.layers][:20]}. Take --methods "
            "permutation, shap or lime, which ask nothing of a network"
        )
    inside, inputs = found[0].output, [*own.inputs]
    return Cut(
        keras.Model(inputs, inside),
        keras.Model([inside, *inputs], own.outputs[0]),
        tuple(tensor.name for tensor in inputs),
    )


def randomised(model: Any, seed: int) -> Any:
    """Give a copy of ``model`` that has learned nothing: each array of weights is shuffled.

    Adebayo et al. 2018, "Sanity Checks for Saliency Maps" (arXiv 1810.03292): what explains a
    network must change with its weights. Shuffled ones keep their spread, so that a network with
    batch normalisation still gives numbers of a usual size.
    """
    import keras  # noqa: PLC0415  as above

    copy: Any = keras.models.clone_model(model)
    random = np.random.default_rng(seed)
    shuffled: list[npt.NDArray[Any]] = [
        random.permutation(weights.ravel()).reshape(weights.shape)
        for weights in model.get_weights()
    ]
    copy.set_weights(shuffled)
    return copy
