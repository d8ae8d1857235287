"""Asks whether a pinned package has a known hole: ``python -m tests.house.audit``.

A registry that does not answer is reported and does not fail: what could not be asked says nothing about the code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCKS = ("requirements.txt", "tests/requirements.txt")
ACCEPTED: dict[str, str] = {}  # id of an advisory -> why it does not touch us
_SECONDS = 120


def main() -> int:
    """Ask for every lock; status 1 if a hole is known."""
    return max(_ask(name) for name in LOCKS)


def _ask(name: str) -> int:
    command = [
        str(Path(sys.executable).with_name("pip-audit")), "--requirement", name, "--require-hashes", "--disable-pip",
        "--progress-spinner", "off", "--format", "json",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        found = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        print(f"{name}: not audited, the registry did not answer ({type(error).__name__}).")
        return 0
    holes, unasked = judged(found)
    for hole in holes:
        print(f"{name}: {hole}")
    note = f"; the registry does not answer for the other {unasked}" if unasked else ""
    print(f"{name}: {len(holes)} known holes in {len(found) - unasked} packages{note}.")
    return int(bool(holes))


def judged(found: list[dict]) -> tuple[list[str], int]:
    """The holes that are not accepted, each in a line, and how many packages could not be asked about."""
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
        for package in found
        for hole in package.get("vulns", [])
        if not {hole["id"], *hole.get("aliases", [])} & set(ACCEPTED)
    ]
    return holes, sum("skip_reason" in package for package in found)


if __name__ == "__main__":
    sys.exit(main())
