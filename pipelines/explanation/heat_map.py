"""An image and what was attributed to its pixels, side by side, and in words.

Orange speaks for the answer, blue against it: told apart by colour-blind readers (Okabe and Ito).
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_FOR, _AGAINST = np.array([213.0, 94.0, 0.0]), np.array([0.0, 114.0, 178.0])
_SIDE, _GAP = 160, 6  # pixels of the picture that is made
_CLIP = 99.0  # percent: one strong pixel must not make all others pale
_THIRDS = (("upper left", "upper middle", "upper right"),
           ("middle left", "middle", "middle right"),
           ("lower left", "lower middle", "lower right"))  # fmt: skip


def draw_beside(pixels: npt.NDArray[np.uint8], maps: list[FloatArray]) -> npt.NDArray[np.uint8]:
    """Draw an image and beside it each map upon its grey copy.

    Args:
        pixels: (height, width, channels), of 1, 3 or 4 channels.
        maps: (height, width) each, signed.

    Returns:
        (side, sides, 3), each pixel enlarged by a whole number.
    """
    colours = np.repeat(pixels[..., :1], 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]
    grey = 110.0 + 0.45 * colours.mean(axis=2, keepdims=True)
    parts = [colours.astype(np.float64)]
    for values in maps:
        top = float(np.percentile(np.abs(values), _CLIP))
        share = np.clip(np.abs(values) / top, 0, 1)[..., None] if top > 0 else 0.0
        tint = np.where(values[..., None] >= 0, _FOR, _AGAINST)
        parts.append((1 - share) * grey + share * tint)
    by = max(1, _SIDE // max(pixels.shape[:2]))
    large = [part.repeat(by, axis=0).repeat(by, axis=1) for part in parts]
    gap = np.full((large[0].shape[0], _GAP, 3), 255.0)
    joined = [piece for part in large for piece in (gap, part)][1:]
    return np.concatenate(joined, axis=1).round().astype(np.uint8)


def say_where(values: FloatArray) -> str:
    """Name the two ninths of the image that hold most of what was attributed, with their shares.

    >>> say_where(np.pad(np.ones((2, 2)), ((0, 4), (0, 4))))
    'upper left 100%'
    """
    strength = np.abs(values)
    rows = [np.array_split(part, 3, axis=1) for part in np.array_split(strength, 3, axis=0)]
    sums = [(float(cell.sum()), _THIRDS[i][j]) for i, row in enumerate(rows)
            for j, cell in enumerate(row)]  # fmt: skip
    total = sum(value for value, _ in sums)
    if not total:
        return "nowhere"
    first = sorted(sums, key=lambda item: -item[0])[:2]
    return ", ".join(f"{name} {value / total:.0%}" for value, name in first if value)
