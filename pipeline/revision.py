"""Which code this is: the commit where the program lies in a repository, and a digest of its sources everywhere."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PACKAGES = ("pipeline", "storage")  # what a model depends on


@functools.cache
def revision() -> str:
    """As kept in the lineage of a version, for example ``3f2a91c (sources 5be0c1d2a3f4)``.

    The digest tells apart two states of the code even where there is no repository, or there are uncommitted changes.
    """
    digest = hashlib.sha256()
    for path in sorted(path for name in _PACKAGES for path in (ROOT / name).rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    sources = f"sources {digest.hexdigest()[:12]}"
    commit = _commit()
    return f"{commit[:7]} ({sources})" if commit else sources


def _commit() -> str:
    """The commit that is checked out, read from the repository's own files; empty where there is none."""
    git = ROOT / ".git"
    try:
        if git.is_file():  # a linked working tree
            git = Path(git.read_text().removeprefix("gitdir:").strip())
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        common = git / "commondir"
        for place in (git, git / common.read_text().strip() if common.exists() else git):
            if (place / name).exists():
                return (place / name).read_text().strip()
            packed = place / "packed-refs"
            lines = packed.read_text().splitlines() if packed.exists() else []
            found = next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")
            if found:
                return found
    except (OSError, IndexError):
        return ""
    return ""
