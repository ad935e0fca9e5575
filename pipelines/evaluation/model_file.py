"""Look into a model file before Keras does: what a stranger's file could do ends here.

A ``.keras`` file is a zip of a JSON configuration and an HDF5 file. The first can name code to run
(Lambda, TFSMLayer, any importable function: CVE-2025-1550 and its kin), the second can point at
other files of this machine (external links and storage: CVE-2026-1669), and both can unpack to more
than the memory (CWE-409). Keras' safe mode refuses part of that. Here only what a plain network is
made of is let through.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import h5py

from pipelines.errors import ParameterError

MAX_RATIO = 100
MAX_BYTES = 4 * 2**30
# a small file of zeros is no bomb
RATIO_FREE_BYTES = 2**20
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = {"metadata.json", _CONFIG, _WEIGHTS}
_MAX_CONFIG_BYTES = 64 * 2**20
_ENCRYPTED = 0x1
_ANY: frozenset[str] = frozenset()
# classes that only compute; no entry: all of the module
_CLASSES: Mapping[str | None, frozenset[str]] = {
    None: frozenset({"__keras_tensor__", "__slice__", "__tuple__", "__ellipsis__"}),
    "keras": frozenset({"DTypePolicy", "Functional", "Sequential"}),
    "keras.constraints": _ANY,
    "keras.dtype_policies": frozenset({"QuantizedDTypePolicy"}),
    "keras.initializers": _ANY,
    "keras.quantizers": frozenset({"AbsMaxQuantizer", "Int8QuantizationConfig"}),
    "keras.regularizers": _ANY,
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.src.ops.core": frozenset({"Cast"}),
    "keras.src.ops.math": frozenset({"Logsumexp"}),
    "keras.src.ops.numpy": frozenset(
        {
            "Add", "Cumsum", "Divide", "ExpandDims", "GetItem", "Max", "Maximum", "Multiply",
            "NotEqual", "Subtract", "Sum", "TrueDivide",
        }
    ),
    "keras.layers": frozenset(
        {
            "Activation", "Add", "Average", "AveragePooling1D", "AveragePooling2D",
            "BatchNormalization", "Bidirectional", "CategoryEncoding", "Concatenate", "Conv1D",
            "Conv2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "ELU", "Embedding", "Flatten",
            "GELU", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
            "GlobalMaxPooling2D", "GRU", "GroupNormalization", "InputLayer", "LayerNormalization",
            "LeakyReLU", "LSTM", "Masking", "MaxPooling1D", "MaxPooling2D", "Maximum", "Minimum",
            "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "Permute", "ReLU",
            "RepeatVector", "Rescaling", "Reshape", "SeparableConv2D", "SimpleRNN", "Softmax",
            "SpatialDropout1D", "Subtract", "UnitNormalization", "ZeroPadding2D",
        }
    ),
}  # fmt: skip


def check_model_file(path: Path) -> None:
    """Refuse a model file that is more than the weights and the plan of a plain network.

    Nothing of it is unpacked to disk, imported or called.

    Raises:
        ParameterError: It is no ``.keras`` file, holds other members, names a class that can run
            code, points at other files, or unpacks to too much.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, size)
            config, weights = archive.read(_CONFIG), archive.read(_WEIGHTS)
        _check_config(path, config)
        _check_weights(path, weights)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RecursionError, ValueError) as error:
        raise _refused(path, f"it is none, or damaged ({error})") from error
    except (OSError, RuntimeError, KeyError) as error:
        raise _refused(path, f"{_WEIGHTS} in it can't be read ({error})") from error


def _check_members(path: Path, archive: zipfile.ZipFile, size: int) -> None:
    names = [member.filename for member in archive.infolist()]
    strange = sorted({*names} - _MEMBERS)
    if strange or len(names) != len({*names}) or not {_CONFIG, _WEIGHTS} <= {*names}:
        raise _refused(path, f"expected the members {sorted(_MEMBERS)}, each once; it has {names}")
    if any(member.flag_bits & _ENCRYPTED for member in archive.infolist()):
        raise _refused(path, "it is encrypted")
    sizes = {member.filename: member.file_size for member in archive.infolist()}
    if sizes[_CONFIG] > _MAX_CONFIG_BYTES:
        raise _refused(path, f"{_CONFIG} has {sizes[_CONFIG]:,} bytes")
    _check_size(path, "its members", sum(sizes.values()), size)


def _check_size(path: Path, what: str, unpacked: int, packed: int) -> None:
    limit = min(max(RATIO_FREE_BYTES, packed * MAX_RATIO), MAX_BYTES)
    if unpacked > limit:
        raise _refused(
            path, f"{what} unpack to {unpacked:,} bytes from {packed:,}, more than {limit:,}"
        )


def _check_config(path: Path, config: bytes) -> None:
    for module, name in _named_classes(json.loads(config)):
        allowed = _CLASSES.get(module)
        if allowed is None or (allowed and name not in allowed):
            raise _refused(path, f"its {_CONFIG} names {module}.{name}, which could run code")


def _named_classes(value: Any) -> Iterator[tuple[str | None, str]]:
    """Give module and name of every class in a configuration, however deep."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                module = item.get("module")
                yield None if module is None else str(module), str(item["class_name"])
            pending += item.values()
        elif isinstance(item, list):
            pending += item


def _check_weights(path: Path, weights: bytes) -> None:
    with h5py.File(io.BytesIO(weights), "r") as file:
        total, pending = 0, [cast("h5py.Group", file["/"])]
        while pending:
            group = pending.pop()
            for name in group:
                kind = group.get(name, getlink=True)
                if not isinstance(kind, h5py.HardLink):
                    raise _refused(path, f"{group.name}/{name} in its weights is a link elsewhere")
                item = group[name]
                if isinstance(item, h5py.Group):
                    pending.append(item)
                else:
                    total += _num_bytes(path, item)
        _check_size(path, "its weights", total, len(weights))


def _num_bytes(path: Path, item: Any) -> int:
    if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
        raise _refused(path, f"{item.name} in its weights lies in another file")
    return int(item.nbytes)


def _refused(path: Path, why: str) -> ParameterError:
    return ParameterError(
        f"{path}: expected a model file of plain layers, as train writes it; {why}. It was not "
        "opened: take the model from the training that made it, or register it again"
    )
