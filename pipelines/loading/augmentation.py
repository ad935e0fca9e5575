"""How training images are varied, as flags say it: ``crop=4 flip rotate=10 cutout=8``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from pipelines.errors import ParameterError

_MOST = {"crop": 1000, "rotate": 180, "scale": 0.9, "colour": 1, "cutout": 1000, "mixup": 10}


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is drawn anew for each image in each epoch; 0 for nothing of it.

    Args:
        crop: Moved by up to so many pixels either way; what comes in is mirrored at the edge. That
            is a random crop of the image with such a border.
        flip: 1: mirrored left to right, every other time.
        rotate: Turned by up to so many degrees.
        scale: Its size times 1 - scale to 1 + scale.
        colour: Brightness, contrast and saturation each times 1 - colour to 1 + colour.
        cutout: A square of so many pixels filled with the mean colour (DeVries and Taylor 2017,
            "Improved Regularization of Convolutional Neural Networks with Cutout").
        mixup: Parameter of the Beta distribution by which two images and their labels are mixed
            (Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization").
    """

    crop: int = 0
    flip: int = 0
    rotate: float = 0.0
    scale: float = 0.0
    colour: float = 0.0
    cutout: int = 0
    mixup: float = 0.0

    def __bool__(self) -> bool:
        return self != NO_AUGMENTATION


NO_AUGMENTATION = Augmentation()


def parse_augmentation(words: Sequence[str]) -> Augmentation:
    """Read words like ``crop=4`` and ``flip``.

    >>> parse_augmentation(["crop=4", "flip"])
    Augmentation(crop=4, flip=1, rotate=0.0, scale=0.0, colour=0.0, cutout=0, mixup=0.0)

    Raises:
        ParameterError: A word is unknown, comes twice, or has a number that can't be meant.
    """
    kinds = {item.name: type(item.default) for item in fields(Augmentation)}
    found: dict[str, float] = {}
    for word in words:
        name, _, text = word.partition("=")
        is_switch = name == "flip"
        value = _number("1" if is_switch and not text else text, kinds.get(name, float))
        is_fit = value is not None and 0 < value <= _MOST.get(name, 1)
        if name not in kinds or name in found or not is_fit or (is_switch and text):
            raise ParameterError(
                f"--augment: expected each of {', '.join(kinds)} at most once, flip by itself and "
                f"the others with a number above 0, like crop=4 (at most {_MOST}); got {word!r}"
            )
        found[name] = value if value is not None else 0
    return Augmentation(**found)  # type: ignore[arg-type]


def _number(text: str, kind: type) -> float | None:
    try:
        value: float = kind(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
