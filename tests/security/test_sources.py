"""Calls that would run what a stranger wrote, or open a door: none stands in the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.proves("S2")

ROOT = Path(__file__).parents[2]
FOLDERS = ("jobs", "pipelines", "schemas", "infra")
# by the last part of the name that is called; modules that hold them are looked at too
FORBIDDEN_CALLS = {
    "make_reader": "petastorm unpickles what lies beside the data",
    "make_batch_reader": "petastorm unpickles what lies beside the data",
    "make_petastorm_dataset": "petastorm unpickles what lies beside the data",
    "make_spark_converter": "petastorm reads a folder",
    "eval": "runs text",
    "exec": "runs text",
    "compile": "makes code of text",
    "__import__": "runs a module by a name from data",
    "unsafe_load": "yaml makes any object",
    "full_load": "yaml makes any object",
    "system": "a shell",
    "popen": "a shell",
    "mktemp": "a name that others can take first",
    "extractall": "a zip can climb out of its folder",
    "enable_unsafe_deserialization": "keras runs what a model file says",
}
ALLOWED = {("re", "compile")}
FORBIDDEN_MODULES = {"pickle", "dill", "shelve", "marshal", "diskcache", "joblib", "imp"}
FORBIDDEN_ATTRIBUTES = {
    ("pickle", "load"), ("pickle", "loads"), ("cloudpickle", "load"), ("cloudpickle", "loads"),
    ("yaml", "load"), ("yaml", "load_all"), ("ssl", "_create_unverified_context"),
}  # fmt: skip
FORBIDDEN_ARGUMENTS = {
    "safe_mode": False, "shell": True, "verify": False, "allow_pickle": True,
    "cache_type": "local-disk", "trusted": True,
}  # fmt: skip
# Horovod's module for local ranks; the others hold servers without a key, or unpickle
READER_MODULES = {
    "petastorm.fs_utils", "petastorm.reader", "petastorm.workers_pool",
    "petastorm.workers_pool.thread_pool", "petastorm.workers_pool.ventilator",
    "petastorm.workers_pool.worker_base",
}  # fmt: skip


def findings(text: str) -> list[str]:
    """Say what a source holds of the above."""
    return [f"line {line}: {what}" for line, what in _look(ast.parse(text))]


def _look(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _bad_call(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, what) for what in _bad_import(node))


def _bad_call(node: ast.Call) -> Iterator[str]:
    owner, name = _called(node.func)
    if name in FORBIDDEN_CALLS and (owner, name) not in ALLOWED and not _is_method(node, name):
        yield f"{name}: {FORBIDDEN_CALLS[name]}"
    if (owner, name) in FORBIDDEN_ATTRIBUTES:
        yield f"{owner}.{name}"
    for keyword in node.keywords:
        value = getattr(keyword.value, "value", None)
        if keyword.arg in FORBIDDEN_ARGUMENTS and value == FORBIDDEN_ARGUMENTS[keyword.arg]:
            yield f"{keyword.arg}={value!r}"


def _is_method(node: ast.Call, name: str) -> bool:
    """A regular expression's ``compile`` of Java, and ``model.compile`` of Keras run no text."""
    return name == "compile" and isinstance(node.func, ast.Attribute)


def _called(function: ast.expr) -> tuple[str, str]:
    if isinstance(function, ast.Attribute):
        owner = function.value
        return (owner.id if isinstance(owner, ast.Name) else "", function.attr)
    return "", function.id if isinstance(function, ast.Name) else ""


def _bad_import(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        modules, names = [item.name for item in node.names], []
    else:
        modules, names = [node.module or ""], [item.name for item in node.names]
    for module in modules:
        if module.partition(".")[0] in FORBIDDEN_MODULES:
            yield f"import of {module}"
        if module.startswith("petastorm") and module not in READER_MODULES:
            yield f"import of {module}: only {sorted(READER_MODULES)}"
        yield from (f"import of {name}" for name in names if name in FORBIDDEN_CALLS)
        yield from (f"{module}.{name}" for name in names if (module, name) in FORBIDDEN_ATTRIBUTES)


BAD = [
    "from petastorm import make_reader",
    "import petastorm; petastorm.make_batch_reader('file:///lake')",
    "from petastorm.spark import make_spark_converter",
    "import pickle",
    "from pickle import loads as safe",
    "import numpy as np; np.load(path, allow_pickle=True)",
    "import yaml; yaml.load(text, Loader=yaml.Loader)",
    "from yaml import load",
    "eval(text)",
    "exec(compile(text, '', 'exec'))",
    "keras.saving.load_model(path, safe_mode=False)",
    "Reader(files, cache_type='local-disk')",
    "subprocess.run(command, shell=True)",
    "os.system(command)",
    "requests.get(url, verify=False)",
    "archive.extractall(folder)",
]


@pytest.mark.parametrize("text", BAD)
def test_a_forbidden_call_is_found(text: str) -> None:
    assert findings(text)


GOOD = [
    "# eval(text), pickle.load(file)",
    "text = 'eval(1)'",
    "re.compile(pattern)",
    "model.compile(optimizer)",
    "np.load(path, allow_pickle=False)",
    "yaml.safe_load(text)",
    "from petastorm.reader import Reader",
    "model.evaluate(rows)",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_only_looks_like_one_is_not(text: str) -> None:
    assert findings(text) == []


def test_no_source_holds_a_forbidden_call() -> None:
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in sources
        for what in findings(path.read_text())
    ]
    assert found == []


def test_petastorm_is_given_lists_of_files_only() -> None:
    """The one call of its Reader takes the sorted files of the manifest, never a text."""
    text = (ROOT / "pipelines" / "loading" / "reader.py").read_text()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    (made,) = [node for node in calls if _called(node.func)[1] == "_PlannedReader"]
    assert isinstance(made.args[0], ast.Name)
    assert made.args[0].id == "files"
    assert "files = sorted({group.file for group in groups})" in text
    assert not any(_called(node.func)[1] == "Reader" for node in calls)
