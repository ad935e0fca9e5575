"""A model file from a stranger: what it could do is refused before Keras sees it."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.evaluation.model_file import check_model_file
from pipelines.evaluation.predict import num_opened, open_predictor
from pipelines.state import file_digest
from tests.pipelines import tiny

pytestmark = pytest.mark.proves("S11")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a model that train could have written."""
    path = tmp_path_factory.mktemp("model") / "good.keras"
    tiny.save_model(path)
    check_model_file(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _refused(path: Path, why: str) -> None:
    with pytest.raises(ParameterError, match=why) as caught:
        open_predictor(str(path), file_digest(path))
    assert "It was not opened" in str(caught.value)
    assert num_opened(str(path)) == 0


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.layers", "Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "TorchModuleWrapper"),
        ("keras.src.utils.file_utils", "get_file"),
        ("builtins", "exec"),
        ("tests.pipelines.tiny", "Custom"),
        (None, "__lambda__"),
    ],
)
def test_a_class_that_could_run_code_is_refused(
    good: dict[str, bytes], tmp_path: Path, module: str | None, name: str
) -> None:
    config = json.loads(good["config.json"])
    config["config"]["layers"][0] |= {"module": module, "class_name": name}
    changed = good | {"config.json": json.dumps(config).encode()}
    _refused(_write(tmp_path / "m.keras", changed), f"names {module}.{name}, which could run code")


def test_a_lambda_that_keras_itself_has_written_is_refused(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415  seconds

    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs))
    model.save(tmp_path / "lambda.keras")
    _refused(tmp_path / "lambda.keras", r"names (keras\.layers\.Lambda|None\.__lambda__)")


@pytest.mark.filterwarnings("ignore:.*HDF5 file:UserWarning")
def test_an_hdf5_model_is_refused_whatever_its_name(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415  seconds

    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(tmp_path / "m.h5")
    for name in ("m.h5", "m.keras"):
        (tmp_path / "m.h5").rename(tmp_path / name)
        _refused(tmp_path / name, "it is none, or damaged")
        (tmp_path / name).rename(tmp_path / "m.h5")


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped", "assets/x.txt", "a\\..\\b"])
def test_another_member_is_refused_and_nothing_is_unpacked(
    good: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    _refused(_write(folder / "m.keras", good | {name: b"x"}), "expected the members")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["m.keras"]


def test_a_member_that_comes_twice_is_refused(good: dict[str, bytes], tmp_path: Path) -> None:
    path = _write(tmp_path / "m.keras", good)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", "{}")
    _refused(path, "each once")


def test_a_zip_bomb_is_refused(good: dict[str, bytes], tmp_path: Path) -> None:
    bomb = good | {"model.weights.h5": good["model.weights.h5"] + bytes(64 * 2**20)}
    _refused(_write(tmp_path / "m.keras", bomb), "its members unpack to 67,")


def _weights(make: Callable[[h5py.File], Any]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        make(file)
    return buffer.getvalue()


def _external_storage(file: h5py.File) -> None:
    file.create_dataset("v", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "v", (4,))
    file.create_virtual_dataset("v", layout)


def _external_link(file: h5py.File) -> None:
    file.create_group("layers")["v"] = h5py.ExternalLink("/etc/hostname", "/")


def _soft_link(file: h5py.File) -> None:
    file["v"] = h5py.SoftLink("/v")


def _hollow(file: h5py.File) -> None:
    # a few bytes of file stand for 8 GB of weights
    file.create_dataset("v", (2**30,), np.float64)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_external_storage, "/v in its weights lies in another file"),
        (_virtual, "/v in its weights lies in another file"),
        (_external_link, "/layers/v in its weights is a link elsewhere"),
        (_soft_link, "//v in its weights is a link elsewhere"),
        (_hollow, "its weights unpack to 8,589,934,592 bytes"),
        (lambda file: file.attrs.update(x=1), None),
    ],
)
def test_weights_that_lie_elsewhere_are_refused(
    good: dict[str, bytes], tmp_path: Path, make: Callable[[h5py.File], Any], why: str | None
) -> None:
    path = _write(tmp_path / "m.keras", good | {"model.weights.h5": _weights(make)})
    if why:
        _refused(path, why)
    else:
        check_model_file(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 but no zip", b"[" * 100_000],
)
def test_damage_is_refused_in_one_line(
    good: dict[str, bytes], tmp_path: Path, content: bytes
) -> None:
    plain = tmp_path / "plain.keras"
    plain.write_bytes(content)
    _refused(plain, "it is none, or damaged")
    _refused(_write(tmp_path / "c.keras", good | {"config.json": content}), "none, or damaged")
    broken = _write(tmp_path / "w.keras", good | {"model.weights.h5": content})
    _refused(broken, r"model\.weights\.h5 in it can't be read")


def test_a_deep_configuration_is_refused(good: dict[str, bytes], tmp_path: Path) -> None:
    deep = b'{"class_name": ' * 50_000
    _refused(_write(tmp_path / "m.keras", good | {"config.json": deep}), "none, or damaged")
