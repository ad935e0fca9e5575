"""No file of the project names a place that only one machine has."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# uv writes where each file of the lock comes from
EXEMPT = {"uv.lock"}
# in pieces, so that this file does not hold what it looks for
FORBIDDEN = {
    "a home folder": r"/(?:home|Users)/\w+|(?<!<)/ro" + r"ot\b",
    "a working folder": r"(?<![\w.@}])/(?:work|workspace)/\w",
    "a package registry": "|".join(
        [
            r"py" + r"pi\.org",
            r"python" + r"hosted\.org",
            r"repo1?\.maven" + r"\.",
            r"maven" + r"\.apache\.org",
            r"registry\.npm" + r"js",
            r"deb" + r"ian\.org/debian",
        ]
    ),
    # example.org and its like (RFC 2606) are made up
    "a password in a URL": r"://[^/\s:@{]+:[^/\s:@{]+@(?![\w.-]*\bexample\.)",
}


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if name not in EXEMPT]


def findings(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data in /ho" + "me/ada/flights", ["a home folder"]),
        ("cd /wo" + "rk/main", ["a working folder"]),
        ("https://py" + "pi.org/simple", ["a package registry"]),
        ("postgresql://ada:secret" + "@127.0.0.1/registry", ["a password in a URL"]),
        ("postgresql://ada:secret" + "@db.example.org/registry", []),
        ("src/workers/home.py, $ROOT/work/x, /usr/lib/jvm", []),
    ],
)
def test_a_forbidden_word_is_found(text: str, found: list[str]) -> None:
    assert findings(text) == found


def test_no_tracked_file_holds_a_forbidden_word() -> None:
    read = 0
    found: list[str] = []
    for path in tracked_files():
        if not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {what}" for what in findings(text)]
        read += 1
    assert read > 20
    assert found == []
