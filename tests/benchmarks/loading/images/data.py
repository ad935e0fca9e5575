"""The tables of images that all ways read: small JPEGs as they are, larger ones made of them."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipelines.loading.columns import ImageColumn, InputColumns
from pipelines.state import read_json, write_json
from tests.benchmarks.loading.delta import write_delta

_QUALITY = 90
_SMALL, _UPSCALED = 32, 64  # sides of a small image, and of its place in a larger one
_CROP = 4  # of a small image that comes again, so many rows and columns are cut off
_FILES = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """The images of one table: their size, and how many are in a batch and in a row group."""

    height: int
    width: int
    batch: int
    group_rows: int


KINDS = {"small images": Kind(32, 32, 1536, 2048), "large images": Kind(375, 500, 48, 128)}


@dataclass(frozen=True, slots=True)
class Images:
    """Where the table is and what it holds: a Delta table, and its files for who knows no Delta.

    Its columns are ``row`` (int32, from 0), ``label`` (int32) and ``image`` (a JPEG).
    """

    folder: str
    files: tuple[str, ...]
    rows: int
    height: int
    width: int
    batch: int
    classes: int
    jpeg_bytes: int

    @property
    def columns(self) -> InputColumns:
        """The columns as our loading takes them."""
        image = ImageColumn("image", self.height, self.width)
        return InputColumns(
            (), ("row",), (self.rows,), "label", images=(image,), num_classes=self.classes
        )


def make_images(folder: Path, kind: Kind, source: Path, rows: int) -> Images:
    """Write a table of JPEGs in an order drawn once.

    Args:
        folder: Where it is written, unless it is there.
        kind: Small images are those of ``source``, byte for byte; where it has fewer or theirs have
            another size, they are cut, mirrored and encoded anew. Each larger one is a mosaic of
            small ones, enlarged, encoded at quality 90.
        source: Folder of JPEGs, each in the folder of its class, or of tar archives of such.
        rows: Images wanted.
    """
    said = folder / "table.json"
    if said.exists() and (known := read_images(said)).rows == rows:
        return known
    random = np.random.default_rng(1)
    sources = _read(source)
    found = [sources[number] for number in random.permutation(len(sources))]
    classes = {name: number for number, name in enumerate(sorted({name for name, _ in found}))}
    is_small = (kind.height, kind.width) == (_SMALL, _SMALL)
    make = _small(found, random) if is_small else _mosaics(found, kind, random)
    made = [next(make) for _ in range(rows)]
    parts = (
        pa.table(
            {
                "row": pa.array(chosen, pa.int32()),
                "label": pa.array([classes[made[row][0]] for row in chosen], pa.int32()),
                "image": pa.array([made[row][1] for row in chosen], pa.binary()),
            }
        )
        for chosen in np.array_split(np.arange(rows), _FILES)
    )
    images = Images(
        str(folder),
        write_delta(folder, parts, kind.group_rows),
        rows,
        kind.height,
        kind.width,
        kind.batch,
        len(classes),
        sum(len(content) for _, content in made),
    )
    write_json(said, asdict(images))
    return images


def read_images(path: Path) -> Images:
    """Give what ``make_images`` has written."""
    said: dict[str, Any] = read_json(path)
    said["files"] = tuple(said["files"])
    return Images(**said)


def _read(source: Path) -> list[tuple[str, bytes]]:
    """Give class and content of each JPEG, ordered by path."""
    found = {str(path): path.read_bytes() for path in source.rglob("*.jp*g")}
    for archive in sorted(source.glob("*.tar*")):
        with tarfile.open(archive) as members:
            for member in members:
                file = members.extractfile(member)
                if file and member.name.endswith((".jpg", ".jpeg")):
                    found[member.name] = file.read()
    if not found:
        raise SystemExit(
            f"expected a folder of JPEGs, each in the folder of its class, or of tar archives of "
            f"such; found none in {source}"
        )
    return [(Path(path).parent.name, found[path]) for path in sorted(found)]


def _small(
    found: list[tuple[str, bytes]], random: np.random.Generator
) -> Iterator[tuple[str, bytes]]:
    for name, content in found:
        image = Image.open(io.BytesIO(content))
        is_fitting = (*image.size, image.mode) == (_SMALL, _SMALL, "RGB")
        yield name, content if is_fitting else _varied(content, random)
    while True:
        name, content = found[random.integers(len(found))]
        yield name, _varied(content, random)


def _varied(content: bytes, random: np.random.Generator) -> bytes:
    image = Image.open(io.BytesIO(content)).convert("RGB").resize((_SMALL, _SMALL))
    left, top = (int(number) for number in random.integers(0, _CROP + 1, 2))
    side = _SMALL - _CROP
    image = image.resize((_SMALL, _SMALL), box=(left, top, left + side, top + side))
    if random.integers(2):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _encode(image)


def _mosaics(
    found: list[tuple[str, bytes]], kind: Kind, random: np.random.Generator
) -> Iterator[tuple[str, bytes]]:
    tiles = [_pixels(content) for _, content in found]
    down, across = -(-kind.height // _UPSCALED), -(-kind.width // _UPSCALED)
    while True:
        chosen = random.integers(0, len(found), (down, across))
        lines = [np.concatenate([tiles[tile] for tile in line], axis=1) for line in chosen]
        mosaic = Image.fromarray(np.concatenate(lines))
        mosaic = mosaic.resize((across * _UPSCALED, down * _UPSCALED), Image.Resampling.BICUBIC)
        yield found[chosen[0, 0]][0], _encode(mosaic.crop((0, 0, kind.width, kind.height)))


def _pixels(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((_SMALL, _SMALL)))


def _encode(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()
