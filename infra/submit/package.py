"""Put the Python environment into one archive that runs on any host of a cluster.

It holds the interpreter with its standard library, and the packages that run inside executors:
few for most jobs, all that pyproject.toml asks for where a task trains or scores. Spark and its own
Python stay out: a cluster has them. Python finds its library from where its executable stands,
so the archive can be unpacked anywhere; the host brings glibc only, this machine's or a later one.
"""

import argparse
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = "gristmill"
# what Python functions of the Spark rooms import; drivers stay where the project is set up
EXECUTORS = ["numpy", "pandas", "pillow", "pyarrow"]
LEFT_OUT = ("pyspark/",)
# of the standard library: nothing of ours imports them
UNUSED = {"test", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo", "site-packages",
          "dist-packages", "__pycache__"}  # fmt: skip
KINDS = ("spark", "training")
# a Python that was built with a library of its own looks for it where it was built
_STARTER = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$here/../lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec "$here/{version}" "$@"
"""
FOLDER = Path(__file__).parents[2] / "build" / "cluster"


def archive(kind: str, folder: Path = FOLDER) -> Path:
    """Give where the archive of one kind stands."""
    return folder / f"environment-{kind}.tar.gz"


def main() -> None:
    """Write the archives that are asked for."""
    parser = argparse.ArgumentParser(prog="infra/bin/package", description=__doc__)
    help_text = "spark: for all jobs but train_on_spark and score; training: for those too"
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{help_text}. Default: spark")
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder for the archives")
    options = parser.parse_args()
    kinds: list[str] = options.kinds or ["spark"]
    if unknown := sorted(set(kinds) - set(KINDS)):
        parser.error(f"expected {' or '.join(KINDS)}; got {unknown[0]!r}")
    for kind in kinds:
        target = archive(kind, options.to)
        pack(kind, target)
        size_mb = target.stat().st_size // 1_000_000
        sys.stderr.write(f"package: {target}: {size_mb} MB\n")


def pack(kind: str, target: Path) -> None:
    """Write one archive; it appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}-{os.getpid()}")
    files = dict(_interpreter())
    for found in _closure(kind):
        files.update(_installed(found))
    try:
        with (
            gzip.GzipFile(unfinished, "wb", compresslevel=1, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for name, path in sorted(files.items()):
                tar.add(path, name, recursive=False, filter=_anonymous)
            for item, data in _added():
                tar.addfile(item, io.BytesIO(data))
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _interpreter() -> Iterator[tuple[str, Path]]:
    executable = Path(sys.executable).resolve()
    yield f"bin/{_version()}", executable
    yield from ((f"lib/{path.name}", path) for path in _shared_library(executable))
    root = Path(sysconfig.get_path("stdlib"))
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - UNUSED)
        for name in names:
            path = Path(folder) / name
            # Debian's links lead to /etc
            if path.is_file() and path.suffix not in (".a", ".pyc"):
                yield f"lib/{_version()}/{path.relative_to(root)}", path.resolve()


def _shared_library(executable: Path) -> Iterator[Path]:
    """Where Python was built with a libpython of its own, it travels too."""
    said = subprocess.run(["ldd", executable], capture_output=True, text=True, check=False).stdout
    for found in re.finditer(r"=> (\S*/libpython\S+)", said):
        yield Path(found[1])


def _added() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """What is in no folder here: the command ``bin/python``, and where Debian's Python looks."""
    yield _link(f"lib/{_version()}/dist-packages", "site-packages"), b""
    if not any(_shared_library(Path(sys.executable).resolve())):
        yield _link("bin/python", _version()), b""
        return
    script = _STARTER.format(version=_version()).encode()
    item = tarfile.TarInfo("bin/python")
    item.size, item.mode = len(script), 0o755
    yield item, script


def _closure(kind: str) -> list[Distribution]:
    """What the packages of one kind need, and they themselves; Horovod is not in the lock."""
    wanted = list(EXECUTORS)
    if kind == "training":
        wanted = [*(distribution(PROJECT).requires or []), "horovod"]
    found: dict[str, Distribution] = {}
    while wanted:
        item = Requirement(wanted.pop())
        name = re.sub(r"[-_.]+", "-", item.name).lower()
        is_asked = item.marker is None or item.marker.evaluate({"extra": ""})
        if name in found or not is_asked:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            # left out of the lock on purpose, as petastorm's setuptools
            continue
        wanted += found[name].requires or []
    return list(found.values())


def _installed(found: Distribution) -> Iterator[tuple[str, Path]]:
    for file in found.files or []:
        path, name = Path(str(found.locate_file(file))), str(file)
        # scripts beside Python name the interpreter that was here
        if name.startswith("..") or name.startswith(LEFT_OUT) or name.endswith(".pyc"):
            continue
        if path.is_file():
            yield f"lib/{_version()}/site-packages/{name}", path


def _version() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _anonymous(item: tarfile.TarInfo) -> tarfile.TarInfo:
    item.uid = item.gid = item.mtime = 0
    item.uname = item.gname = ""
    item.mode = 0o755 if item.mode & 0o100 else 0o644
    return item


def _link(name: str, aim: str) -> tarfile.TarInfo:
    item = tarfile.TarInfo(name)
    item.type, item.linkname, item.mode = tarfile.SYMTYPE, aim, 0o777
    return item


if __name__ == "__main__":
    if shutil.which("ldd") is None:
        raise SystemExit("package: expected ldd, of glibc, on PATH; found none")
    main()
