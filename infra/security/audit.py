"""Compare all that is installed with infra/security/advisories.json; write the bill of materials.

The file says, as of its date, which versions it speaks for, which of them have published
advisories, and what guards against each. A version that it does not name, an advisory whose guard
has run out, or a file older than 30 days fails: an audit of nothing must not pass.
"""

import argparse
import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from components import Component, installed, pinned
from sbom import write_sbom

ADVISORIES = Path(__file__).with_name("advisories.json")
MAX_AGE_DAYS = 30
ABSENT = "absent"
_FIELDS = {"component", "version", "ids", "text", "guard", "until"}


def findings(
    found: list[Component], pins: dict[str, str], known: dict[str, Any], today: date
) -> list[str]:
    """Say what is wrong, a line each; nothing if all that is installed is accounted for."""
    return [
        *_stale(known, today),
        *_missing(found, pins),
        *_unnamed(found, known),
        *_bad_advisories(found, known, today),
    ]


def _stale(known: dict[str, Any], today: date) -> list[str]:
    reviewed = date.fromisoformat(known["reviewed"])
    age = (today - reviewed).days
    if 0 <= age <= MAX_AGE_DAYS:
        return []
    said_age = (
        f"advisories.json was reviewed on {reviewed}, {age} days before {today}; expected at most "
        f"{MAX_AGE_DAYS}. Look for new advisories of what it names, and renew its date"
    )
    return [said_age]


def _missing(found: list[Component], pins: dict[str, str]) -> list[str]:
    versions = {item.key: item.version for item in found}
    wrong = [
        f"{name} {version} is pinned; found {versions.get(f'pypi:{name}', 'none')} installed. Run "
        "infra/bin/setup"
        for name, version in pins.items()
        if versions.get(f"pypi:{name}") != version
    ]
    if not any(item.key.startswith("jar:") for item in found):
        wrong.append("no jar was found: run infra/bin/setup")
    return wrong


def _unnamed(found: list[Component], known: dict[str, Any]) -> list[str]:
    named = {*known["components"]}
    new = [said(item) for item in found if said(item) not in named]
    return [
        f"{text} is installed and advisories.json does not name it. Look for its advisories, then "
        "infra/bin/audit --renew"
        for text in new
    ]


def _bad_advisories(found: list[Component], known: dict[str, Any], today: date) -> list[str]:
    versions: dict[str, set[str]] = {}
    for item in found:
        versions.setdefault(item.key, set()).add(item.version)
    wrong: list[str] = []
    for entry in known["advisories"]:
        name, version = entry["component"], entry["version"]
        empty = sorted(key for key in _FIELDS if not entry.get(key))
        if empty:
            wrong.append(f"{name}: its entry in advisories.json lacks {empty}")
            continue
        there = versions.get(name, set())
        if version == ABSENT and there:
            wrong.append(f"{name} {sorted(there)} is installed; it must be absent: {entry['text']}")
        if version != ABSENT and version not in there:
            wrong.append(
                f"{name}: its advisories were judged for {version}; found "
                f"{sorted(there) or 'none'} installed. Judge them anew"
            )
        if date.fromisoformat(entry["until"]) < today:
            wrong.append(f"{name}: its guard was accepted until {entry['until']}. Judge it anew")
    return wrong


def said(item: Component) -> str:
    """Name a component as the file does."""
    return f"{item.key} {item.version}"


def table(known: dict[str, Any]) -> str:
    """Give the advisories as the table in infra/decisions/dependencies.md."""
    lines = ["| Pin | Advisory | What guards against it |", "| --- | --- | --- |"]
    for entry in known["advisories"]:
        kind, _, name = entry["component"].partition(":")
        what = f"{name} {entry['version']}{' (a jar of Spark)' if kind == 'jar' else ''}"
        lines.append(f"| {what} | {', '.join(entry['ids'])}: {entry['text']} | {entry['guard']} |")
    return "\n".join(lines)


def renew(found: list[Component], known: dict[str, Any], path: Path) -> None:
    """Let the file name what is installed; its date and its advisories are for a person to mend."""
    known["components"] = sorted({said(item) for item in found})
    known["advisories"].sort(key=lambda entry: entry["component"])
    path.write_text(json.dumps(known, indent=2) + "\n")


def main() -> None:
    """Audit; exit code 0 only if each installed component is named and each advisory guarded."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--renew", action="store_true", help="name what is installed in the file")
    flags.add_argument("--table", action="store_true", help="print the table of advisories")
    flags.add_argument("--sbom", type=Path, help="write a CycloneDX bill of materials")
    flags.add_argument("--advisories", type=Path, default=ADVISORIES, help="another file")
    flags.add_argument("--site", type=Path, help="another folder of Python distributions")
    flags.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    given = flags.parse_args()
    known = json.loads(given.advisories.read_text())
    if given.table:
        print(table(known))  # noqa: T201
        return
    found = installed(site=given.site)
    if given.renew:
        renew(found, known, given.advisories)
    if given.sbom:
        write_sbom(found, given.sbom)
    wrong = findings(found, pinned(), known, given.today)
    named = {*known["components"]}
    num_named = sum(said(item) in named for item in found)
    due = date.fromisoformat(known["reviewed"]) + timedelta(MAX_AGE_DAYS)
    print(  # noqa: T201
        f"audit: {num_named} of {len(found)} installed components are named by the advisories of "
        f"{known['reviewed']} (due again by {due}); {len(known['advisories'])} of them have "
        "known advisories, or must be absent. No service was asked."
    )
    if wrong:
        sys.exit("\n".join(["audit: failed", *(f"  {line}" for line in wrong)]))


if __name__ == "__main__":
    main()
