"""Nasty files, made by code: each with what must become of it. ``python -m tests.corpus FOLDER`` writes them out."""

from tests.corpus.accepted import ACCEPTED
from tests.corpus.case import Case
from tests.corpus.clean import SCHEMA, TRUTH, clean_csv
from tests.corpus.labels import LABELS
from tests.corpus.refused import REFUSED
from tests.corpus.sheets import SHEETS

CASES: dict[str, Case] = {case.name: case for case in (*ACCEPTED, *LABELS, *REFUSED, *SHEETS)}

__all__ = ["ACCEPTED", "CASES", "LABELS", "REFUSED", "SCHEMA", "SHEETS", "TRUTH", "Case", "clean_csv"]
