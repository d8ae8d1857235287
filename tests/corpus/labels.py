"""Files of labels that arrive after their rows: an id and the target, no feature."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pyarrow as pa

from tests.corpus.case import Case
from tests.corpus.clean import SCHEMA, TRUTH, joined, lines, packed, parquet, table, written

_BOTH = ("id", "bought")
_NUMBERED = [{"id": str(at), "bought": row["bought"]} for at, row in enumerate(TRUTH)]
NUMBERS = {str(at): row["bought"] for at, row in enumerate(TRUTH)}
BINARY = replace(SCHEMA, classes=("0", "1"))


def _answers(yes: object, no: object) -> bytes:
    return written(names=_BOTH, cells={"bought": lambda v: str(yes if v == "yes" else no)})


def _binary() -> dict[str, list[object]]:
    return {"bought": ["1" if row["bought"] == "yes" else "0" for row in TRUTH]}


LABELS = (
    Case("labels", lambda: written(names=_BOTH), "labels"),
    Case("labels_turned", lambda: written(names=_BOTH[::-1], delimiter=";"), "labels"),
    Case("labels_quoted", lambda: written(names=_BOTH, quoting=csv.QUOTE_ALL, end="\r\n"), "labels"),
    Case("labels_gzip", lambda: packed(written(names=_BOTH)), "labels", file="labels.csv.gz"),
    Case("labels_parquet", lambda: parquet(table(_BOTH)), "labels", file="labels.parquet"),
    Case("labels_json", lambda: "".join(json.dumps({n: r[n] for n in _BOTH}) + "\n" for r in TRUTH).encode(), "labels",
         file="labels.jsonl"),
    Case("labels_with_time", lambda: written(names=(*_BOTH, "when")), "labels"),
    Case("labels_capitals", lambda: written(names=_BOTH, header=["ID", "Bought"]), "labels", ("ID",)),
    Case("labels_some_empty", lambda: joined([*lines(written(names=_BOTH)), "c9999,"]), "labels", ("label",)),
    Case("labels_repeated", lambda: joined([lines(written(names=_BOTH))[0], "c1000,no", "c1000,yes",
                                            *lines(written(names=_BOTH))[1:]]), "labels", ("last",)),
    Case("labels_whole_ids", lambda: parquet(pa.table({"id": list(range(60)), "bought": [r["bought"] for r in TRUTH]})),
         "labels", file="l.parquet", change=NUMBERS),
    Case("labels_float_ids", lambda: parquet(pa.table({"id": [float(x) for x in range(60)],
                                                       "bought": [r["bought"] for r in TRUTH]})),
         "labels", file="l.parquet", change=NUMBERS),
    Case("labels_text_ids", lambda: written(_NUMBERED, names=_BOTH), "labels", change=NUMBERS),
    *(Case(f"labels_binary_{name}", lambda yes=yes, no=no: _answers(yes, no), "labels", schema=BINARY,
           change={f"c{1000 + at}": label for at, label in enumerate(_binary()["bought"])})
      for name, yes, no in (("whole", 1, 0), ("float", 1.0, 0.0), ("truth", True, False),
                            ("capitals", "TRUE", "FALSE"))),
    Case("labels_without_id", lambda: written(names=("bought",)), "refused", ("id",)),
    Case("labels_all_empty", lambda: written(names=_BOTH, cells={"bought": lambda v: ""}), "refused", ("label",)),
    Case("labels_unknown", lambda: _answers("good", "bad"), "refused", ("bought", "good")),
    Case("labels_ragged", lambda: joined([*lines(written(names=_BOTH)), "c9,yes,no"]), "refused", ("line 62",)),
)  # fmt: skip
