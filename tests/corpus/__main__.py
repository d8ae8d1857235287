"""Write the corpus into a folder, and beside it what must become of each file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.corpus import CASES, clean_csv


def main(folder: Path) -> None:
    """Files named ``<case>__<file name>``, the clean table, and ``expected.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clean.csv").write_bytes(clean_csv())
    expected = {}
    for case in CASES.values():
        file = f"{case.name}__{case.file}"
        (folder / file).write_bytes(case.data())
        expected[file] = {"becomes": case.becomes, "says": case.says}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
