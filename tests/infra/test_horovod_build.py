import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = sorted(path.name for path in (ROOT / "infra" / "horovod").glob("*.patch"))


@pytest.fixture
def horovod(tmp_path: Path) -> Path:
    """A copy of infra/horovod whose files a test can change."""
    return Path(shutil.copytree(ROOT / "infra" / "horovod", tmp_path / "infra" / "horovod"))


def in_build_script(horovod: Path, command: str) -> subprocess.CompletedProcess[str]:
    script = f'source "{horovod}/build"; {command}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60
    )


def write_sources(folder: Path, declared: str, in_code: str) -> Path:
    (folder / "horovod").mkdir(parents=True)
    (folder / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nVersion: {declared}\n")
    (folder / "horovod" / "__init__.py").write_text(f"__version__ = '{in_code}'\n")
    return folder


def test_another_pinned_version_is_refused(horovod: Path) -> None:
    pins = horovod / "requirements.txt"
    pins.write_text(pins.read_text().replace("horovod==0.28.1", "horovod==0.29.0"))
    done = in_build_script(horovod, "main")
    assert done.returncode == 1
    assert "is for Horovod 0.28.1" in done.stderr
    assert "'0.29.0'" in done.stderr
    assert "requirements.txt" in done.stderr


@pytest.mark.parametrize(("declared", "in_code"), [("0.29.0", "0.28.1"), ("0.28.1", "0.29.0")])
def test_sources_of_another_version_are_refused(
    horovod: Path, tmp_path: Path, declared: str, in_code: str
) -> None:
    sources = write_sources(tmp_path / "sources", declared, in_code)
    done = in_build_script(horovod, f'refuse_other_sources "{sources}"')
    assert done.returncode == 1
    assert "'0.29.0'" in done.stderr


def test_sources_that_do_not_name_their_version_are_refused(horovod: Path, tmp_path: Path) -> None:
    sources = write_sources(tmp_path / "sources", "", "")
    assert in_build_script(horovod, f'refuse_other_sources "{sources}"').returncode == 1


def test_sources_of_the_right_version_are_taken(horovod: Path, tmp_path: Path) -> None:
    sources = write_sources(tmp_path / "sources", "0.28.1", "0.28.1")
    done = in_build_script(horovod, f'refuse_other_sources "{sources}"')
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_that_does_not_name_its_version_is_refused(horovod: Path, name: str) -> None:
    patch = horovod / name
    patch.write_text(patch.read_text().replace("Horovod: 0.28.1\n", ""))
    done = in_build_script(horovod, "main")
    assert done.returncode == 1
    assert f"{name} does not say which version it is for" in done.stderr


@pytest.mark.parametrize("name", PATCHES)
def test_a_changed_patch_gives_another_wheel(horovod: Path, name: str) -> None:
    key = f'venv="{ROOT}/build/venv"; wheel_key'
    before = in_build_script(horovod, key)
    patch = horovod / name
    patch.write_text(patch.read_text() + "\n")
    after = in_build_script(horovod, key)
    assert (before.returncode, after.returncode) == (0, 0)
    assert len(before.stdout.strip()) == 16
    assert before.stdout != after.stdout
