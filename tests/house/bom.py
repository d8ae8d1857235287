"""The bill of materials of a release, from the hashed requirements: ``python -m tests.house.bom > bom.cdx.json``."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parent.parent.parent
LOCK = ROOT / "requirements.txt"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?:\s*;[^\\]*)?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pins(text: str) -> dict[tuple[str, str], list[str]]:
    """Every pinned package of a lock, as (name, version), with the SHA-256 of every file it may come in."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.splitlines():
        if pin := _PIN.match(line):
            newest = found.setdefault((pin[1], pin[2]), [])
        elif part := _HASH.search(line):
            newest.append(part[1])
    return found


def bom(text: str) -> Bom:
    """The bill of a lock. It holds no time and no random number, so that the same lock gives the same bill."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    made = Bom(serial_number=uuid5(NAMESPACE_URL, text))
    made.metadata.timestamp = None
    whole = Component(
        name=about["name"], version=about["version"], type=ComponentType.APPLICATION, bom_ref=about["name"]
    )
    made.metadata.component = whole
    for (name, version), hashes in pins(text).items():
        made.components.add(
            Component(
                name=name, version=version, type=ComponentType.LIBRARY, bom_ref=f"{name}=={version}",
                purl=PackageURL("pypi", name=name, version=version),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes],
            )
        )  # fmt: skip
    made.register_dependency(whole, made.components)
    return made


if __name__ == "__main__":
    sys.stdout.write(JsonV1Dot6(bom(LOCK.read_text())).output_as_string(indent=2) + "\n")
