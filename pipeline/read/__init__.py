"""Bytes to a checked table, or Refused with file, column, line and remedy. No clock, no network, no writing.

``read_batch`` checks a file against a schema, ``read_table`` and ``typed`` read one where no schema is known, ``scan``
streams one that may be larger than memory.
"""

from pipeline.read.batches import read_batch
from pipeline.read.formats import FORMATS, Format, sniff
from pipeline.read.raw import Raw
from pipeline.read.stream import scan
from pipeline.read.tables import read_table, typed
from pipeline.read.values import Checked, Scan, class_text

__all__ = [
    "FORMATS",
    "Checked",
    "Format",
    "Raw",
    "Scan",
    "class_text",
    "read_batch",
    "read_table",
    "scan",
    "sniff",
    "typed",
]
