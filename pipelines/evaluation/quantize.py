"""A trained network in a smaller form, still plain Keras: eight-bit weights, and a packed file.

Keras quantises the layers that multiply by one matrix or look up one (``Dense``, ``EinsumDense``,
``Embedding``): a weight w becomes round(127 w / m), with m the greatest absolute weight of its
output unit, or of its row of an embedding; the factors 127 / m stay float32. Convolutions,
recurrent layers, attention, normalisation and all biases stay as they are.
"""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.errors import ParameterError

# of weights, of weights and activations, and none: packed only
FORMS = ("int8", "int8-activations", "packed")
# of a zip's oldest time: the file depends on no clock but Keras's own
_MEMBER_TIME = (1980, 1, 1, 0, 0, 0)
_LEVEL = 9


def quantize(model: Any, form: str) -> tuple[str, ...]:
    """Bring ``model`` into one of ``FORMS``, in place; gives the layers that changed, by name.

    ``int8`` multiplies float32 activations by weights that are widened when they are used.
    ``int8-activations`` also rounds each row's activations to eight bits, by their greatest
    absolute value, and multiplies whole numbers: twice the error, and slower where TensorFlow has
    no fast kernel for it.

    Raises:
        ParameterError: The form is unknown; the model is quantised already, or has no such layer.
    """
    import keras  # noqa: PLC0415  seconds to import

    if form not in FORMS:
        raise ParameterError(f"expected --form to be one of {', '.join(FORMS)}; got {form}")
    layers = [*_single_layers(model)]
    done = [layer.name for layer in layers if getattr(layer.dtype_policy, "quantization_mode", "")]
    if done:
        raise ParameterError(
            f"expected a model of float weights; its layers {', '.join(done)} are quantised. Give "
            "the model that train wrote"
        )
    if form == "packed":
        return ()
    kinds = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding)
    # sublayers of attention and of Bidirectional are left: Keras 3.15 saves those as quantised
    # ones and loads them as others
    chosen = [layer for layer in layers if type(layer) in kinds]
    if not chosen:
        raise ParameterError(
            "expected a model with Dense, EinsumDense or Embedding layers; it has none that Keras "
            "can quantise: give --form packed"
        )
    activations: Any = "default" if form == "int8-activations" else None
    for layer in chosen:
        config = keras.quantizers.Int8QuantizationConfig(activation_quantizer=activations)
        layer.quantize("int8", config=config)
    return tuple(layer.name for layer in chosen)


def pack(model: Any) -> bytes:
    """Give ``model`` as the content of a ``.keras`` file whose members are deflated.

    Keras stores them as they are and reads either. A network that was pruned gains most: runs of
    zeros deflate well.
    """
    packed = BytesIO()
    with TemporaryDirectory(prefix="gristmill-") as scratch:
        plain = Path(scratch) / "model.keras"
        model.save(plain)
        with zipfile.ZipFile(plain) as members, zipfile.ZipFile(packed, "w") as archive:
            for name in members.namelist():
                member = zipfile.ZipInfo(name, _MEMBER_TIME)
                content = members.read(name)
                archive.writestr(member, content, zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
    return packed.getvalue()


def _single_layers(model: Any) -> Iterator[Any]:
    """Give the layers of a model, and of the models in it, but not what is inside of a layer."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _single_layers(layer)
        else:
            yield layer
