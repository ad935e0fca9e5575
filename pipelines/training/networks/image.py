"""Networks of images: each image is read by convolutions, other columns join in.

``cnn`` is the plain one of Keras's first examples: twice two convolutions of 3 x 3 and a maximum
over 2 x 2. ``resnet`` is small: after He et al. 2016, "Deep Residual Learning for Image
Recognition", each stage a convolution, a maximum over 2 x 2 and a residual block, batch normalised;
wide and shallow, which learns sooner (Zagoruyko and Komodakis 2016, "Wide Residual Networks").
"""

from typing import Any

import keras

from pipelines.errors import ParameterError
from pipelines.training.networks.head import Head
from pipelines.training.networks.inputs import make_inputs, tabular_parts
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureColumn, FeatureSet

_STAGES = 2


def build_image(features: FeatureSet, params: TrainParams, head: Head) -> keras.Model:
    """Make the network ``params.network`` for features of which some are images.

    Raises:
        ParameterError: There is no image, or there are texts too.
    """
    if not features.images or features.tokens:
        raise ParameterError(
            f"--network {params.network} reads images, beside numbers and codes; the features "
            f"state names the images {[item.name for item in features.images]} and the texts "
            f"{[item.name for item in features.tokens]}. Take another network"
        )
    inputs = make_inputs(features)
    parts = tabular_parts(features, inputs)
    read = _read_cnn if params.network == "cnn" else _read_resnet
    parts += [read(_standard(inputs[item.name], item), params) for item in features.images]
    return keras.Model(inputs, head(parts), name=params.network)


def _standard(pixels: Any, column: FeatureColumn) -> Any:
    """Give pixels less the mean of their channel, over its deviation, of the training split."""
    # Keras takes a number for each channel too; its types do not say so
    scale: Any = [1 / deviation for deviation in column.deviations]
    pairs = zip(column.means, column.deviations, strict=True)
    offset: Any = [-mean / deviation for mean, deviation in pairs]
    name = f"standard_{column.name}"
    return keras.layers.Rescaling(scale, offset, dtype="float32", name=name)(pixels)


def _read_cnn(x: Any, params: TrainParams) -> Any:
    for stage in range(_STAGES):
        for _ in range(2):
            x = _convolve(x, params.width * 2**stage, params, is_normal=params.batch_norm)
        x = keras.layers.MaxPooling2D(2, padding="same")(x)
        if params.dropout:
            x = keras.layers.Dropout(params.dropout / 2, seed=params.seed)(x)
    return keras.layers.Flatten()(x)


def _read_resnet(x: Any, params: TrainParams) -> Any:
    x = _convolve(x, params.width, params, is_normal=True)
    x = keras.layers.MaxPooling2D(2, padding="same")(x)
    for stage in range(1, _STAGES + 1):
        width = params.width * 2**stage
        x = _convolve(x, width, params, is_normal=True)
        x = keras.layers.MaxPooling2D(2, padding="same")(x)
        inner = _convolve(
            _convolve(x, width, params, is_normal=True), width, params, is_normal=True
        )
        x = keras.layers.Add()([x, inner])
    return keras.layers.GlobalMaxPooling2D()(x)


def _convolve(x: Any, width: int, params: TrainParams, *, is_normal: bool) -> Any:
    x = keras.layers.Conv2D(
        width, 3, padding="same", use_bias=not is_normal, kernel_initializer="he_normal"
    )(x)
    if is_normal:
        # few epochs: the moving moments must follow
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return keras.layers.Activation(params.activation)(x)
