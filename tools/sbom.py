"""Writes the bill of materials: what is locked, by which hashes, under which licences.

`python -m tools.sbom [FILE]` (`make sbom`) writes CycloneDX 1.6 as JSON. Hashes come from
`requirements.lock`, licences from what is installed; without a clock or chance, so that the same
lock gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements.lock"
PROJECT: Final = ROOT / "pyproject.toml"
OUT: Final = Path("dist/sbom.cdx.json")
_PINNED: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]+\])?==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")
_CLASSIFIER: Final = "License :: OSI Approved :: "
SPDX: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""What older metadata calls a licence, in the words of SPDX."""
SAID_PLAINLY: Final = re.compile(r"MIT|BSD-[23]-Clause|Apache-2\.0|GPL-[23]\.0-(only|or-later)")
"""What an older field may say that is an identifier of SPDX already."""
UNSAID: Final = {"currencyconverter": "Apache-2.0"}
"""Packages whose metadata names no licence: read from the files that they ship."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """One requirement of the lock: its name, its version, and the SHA-256 of each of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]


def locked(text: str) -> list[Pinned]:
    """Read a lock."""
    found: list[Pinned] = []
    for entry in re.split(r"\n(?=\S)", text):
        if pinned := _PINNED.match(entry):
            name = canonicalize_name(pinned[1])
            found.append(Pinned(name, pinned[3], tuple(_HASH.findall(entry))))
    return found


def wanted(project: str, *extras: str) -> list[Requirement]:
    """Read what a `pyproject.toml` asks for, with these extras."""
    said = tomllib.loads(project)["project"]
    asked = list(said["dependencies"])
    for extra in extras:
        asked += said["optional-dependencies"][extra]
    return [Requirement(each) for each in asked]


def shipped(requirements: list[Requirement]) -> set[str]:
    """Name everything that these requirements bring along on this platform, themselves included."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    todo = [(canonicalize_name(each.name), each.extras) for each in requirements]
    while todo:
        name, extras = todo.pop()
        found.add(name)
        for extra in ("", *extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in metadata.requires(name) or ():
                each = Requirement(text)
                if each.marker is None or each.marker.evaluate({"extra": extra}):
                    todo.append((canonicalize_name(each.name), each.extras))
    return found


def licence(name: str) -> str:
    """Say a package's licence in SPDX's words; empty where nobody says it."""
    about = metadata.metadata(name)
    if "License-Expression" in about:
        return str(about["License-Expression"])
    if SAID_PLAINLY.fullmatch(plain := (about.get_all("License") or [""])[0]):
        return str(plain)
    classified = [each.removeprefix(_CLASSIFIER) for each in about.get_all("Classifier") or ()]
    known = [SPDX[each] for each in classified if each in SPDX]
    # Several classifiers: the one who takes it chooses.
    return " OR ".join(sorted(known)) or UNSAID.get(name, "")


def bill(lock: str, project: str) -> dict[str, Any]:
    """Write the bill of materials."""
    needed = shipped(wanted(project))
    said = tomllib.loads(project)["project"]
    serial = uuid.UUID(bytes=sha256((lock + project).encode()).digest()[:16], version=4)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": said["name"],
                "name": said["name"],
                "version": said["version"],
                "licenses": [{"expression": said["license"]}],
            }
        },
        "components": [_component(each, needed=each.name in needed) for each in locked(lock)],
    }


def _component(pinned: Pinned, *, needed: bool) -> dict[str, Any]:
    purl = f"pkg:pypi/{pinned.name}@{pinned.version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": pinned.name,
        "version": pinned.version,
        "scope": "required" if needed else "excluded",
        "purl": purl,
        "licenses": [{"expression": licence(pinned.name)}],
        "hashes": [{"alg": "SHA-256", "content": each} for each in pinned.hashes],
    }


def main() -> int:
    """Write it where the command line says."""
    out = Path(sys.argv[1]) if sys.argv[1:] else OUT
    made = bill(LOCK.read_text("utf-8"), PROJECT.read_text("utf-8"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    sys.stdout.write(f"{out}: {len(made['components'])} components\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
