"""A bill of materials, CycloneDX JSON (ECMA-424, version 1.6): what is installed here."""

import json
import uuid
from pathlib import Path
from typing import Any

from components import PROJECT, Component

# names this project's bills; the same components give the same serial number
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/bom/gristmill")


def write_sbom(found: list[Component], path: Path) -> None:
    """Write the bill of ``found``; the same components give the same bytes."""
    own = next(item for item in found if item.key == f"pypi:{PROJECT}")
    parts = [_component(item) for item in found if item is not own]
    said = json.dumps(parts, sort_keys=True)
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, said)}",
        "version": 1,
        "metadata": {"component": {**_component(own), "type": "application"}},
        "components": parts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bill, indent=2) + "\n")


def _component(item: Component) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "library",
        # a jar can lie in two folders
        "bom-ref": "#".join([item.purl, *Path(item.path).parts[-3:]]) if item.path else item.purl,
        "name": item.key.partition(":")[2],
        "version": item.version,
        "purl": item.purl,
    }
    if item.sha256:
        made["hashes"] = [{"alg": "SHA-256", "content": item.sha256}]
    if item.path:
        made["properties"] = [{"name": "gristmill:file", "value": Path(item.path).name}]
    return made
