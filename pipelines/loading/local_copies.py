"""Local copies of remote tables, for who reads them and for who starts those that do."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import ParameterError


@dataclass(frozen=True, slots=True)
class LocalCopies:
    """Copies in ``folder``, which together take up at most ``limit_mb`` MB."""

    folder: str
    limit_mb: int

    def local(self, path: str, version: int) -> str:
        """Give the folder of a table: its own, or that of its copy, fetched where it is missing.

        Raises:
            ParameterError: There is no folder for copies.
            TableError: The table can't be fetched.
        """
        if not _is_remote(path):
            return path
        # here, since a process that starts ranks must not wait for its imports
        from pipelines.loading.table_cache import fetch_table  # noqa: PLC0415

        if not self.folder:
            raise ParameterError(
                f"expected --cache FOLDER, a local folder for copies of {path}; got none"
            )
        return fetch_table(path, version, Path(self.folder), self.limit_mb)

    @contextmanager
    def kept(self, tables: Sequence[tuple[str, int]]) -> Generator[None]:
        """Keep the copies of tables, each a path and a version, until the end of the block.

        For a process that starts ranks: what is wrong is said once, before they start.

        Raises:
            ParameterError: There is no folder for copies.
            TableError: A table can't be fetched.
        """
        remote = [(path, version) for path, version in tables if _is_remote(path)]
        try:
            for path, version in remote:
                self.local(path, version)
            yield
        finally:
            if remote:
                from pipelines.loading.table_cache import release_tables  # noqa: PLC0415

                release_tables()


def _is_remote(path: str) -> bool:
    return "://" in path
