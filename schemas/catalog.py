"""Find a data set's contract by name: one module of this package each, with a ``SPEC``."""

import importlib
import pkgutil

import schemas
from schemas.contract import ContractError, DatasetSpec
from schemas.leakage import check_contract

_VOCABULARY = {
    "catalog", "check", "contract", "derive", "drift", "encode", "feature_columns", "features",
    "image", "interval", "leakage", "near", "paths", "published", "schedule", "shape", "source",
    "sources", "split", "target",
}  # fmt: skip


def datasets() -> list[str]:
    """Names of all data sets, in alphabetical order."""
    modules = {module.name for module in pkgutil.iter_modules(schemas.__path__)}
    return sorted(modules - _VOCABULARY)


def dataset(name: str) -> DatasetSpec:
    """Give the contract ``SPEC`` of ``schemas/<name>.py``.

    Raises:
        ContractError: There is none (names those there are), or it contradicts itself.
    """
    if name not in datasets():
        raise ContractError(
            f"expected a data set among {datasets()}; got {name!r}. A new one is a file "
            f"schemas/{name}.py with a SPEC"
        )
    spec = getattr(importlib.import_module(f"schemas.{name}"), "SPEC", None)
    if not isinstance(spec, DatasetSpec):
        raise ContractError(f"schemas/{name}.py: expected SPEC, a DatasetSpec; got {spec!r:.60}")
    if spec.name != name:
        raise ContractError(f"schemas/{name}.py: expected SPEC.name {name!r}; got {spec.name!r}")
    return check_contract(spec)
