from pathlib import Path

import pytest

from pipelines.errors import ParameterError
from pipelines.registry.package import Contents, build_package, open_package


def _build(folder: Path) -> tuple[Path, str]:
    (folder / "model").write_bytes(b"weights")
    contents = Contents({"states/a.json": folder / "model"}, {"name": "tiny"}, {"seed": 1})
    return folder / "package", build_package(folder / "package", contents)


def test_an_unchanged_package_opens_with_its_facts(tmp_path: Path) -> None:
    found = open_package(*_build(tmp_path))
    assert found["seed"] == 1
    # sha256sum of b"weights"
    assert found["files"]["states/a.json"].startswith("9a129038")
    assert set(found["files"]) == {"states/a.json", "contract.json"}


@pytest.mark.proves("F18", "F19")
@pytest.mark.parametrize("name", ["states/a.json", "contract.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["changed", "lost"])
def test_a_harmed_file_is_named(tmp_path: Path, name: str, harm: str) -> None:
    folder, digest = _build(tmp_path)
    if harm == "lost":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(
        ParameterError, match=f"{Path(name).name}.*(expected SHA-256|found no file)"
    ):
        open_package(folder, digest)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    contents = Contents({"model.keras": tmp_path / "none"}, {})
    with pytest.raises(ParameterError, match=r"expected model\.keras at .*none; found no file"):
        build_package(tmp_path / "package", contents)
