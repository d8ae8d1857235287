"""A table against the schema of a monitor: columns found by name, converted, and every doubt named."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import cells, kinds
from pipeline.read.evidence import Evidence, evidence_of, styles_of
from pipeline.read.raw import Raw, shown
from pipeline.read.tables import read_table
from pipeline.read.values import Checked
from storage.records import Schema
from storage.settings import ReadSettings

_JOINTS = re.compile(r"[\s_.\-]+")
_SHOWN = 5  # names, values or lines told in one message
_ANSWERS = dict.fromkeys(("true", "yes", "y", "t", "1"), True) | dict.fromkeys(("false", "no", "n", "f", "0"), False)


def read_batch(data: bytes | Path, name: str, schema: Schema, settings: ReadSettings | None = None) -> Checked:
    """A file as rows, or as labels, of a monitor.

    Parameters
    ----------
    data : bytes or Path
    name : str
        Label of the file in messages; never opened.
    schema : Schema
    settings : ReadSettings, optional

    Returns
    -------
    Checked

    Raises
    ------
    Refused
        Naming file, column, line, value and remedy.

    Notes
    -----
    A file with the id and the target but no feature is taken for labels. A file that means the same gives the same
    table, whatever its delimiter, encoding, quotes, column order or way to write numbers and dates.
    """
    own = [name for name in (schema.target, schema.id_column, schema.time_column) if name]
    known = [feature.name for feature in schema.features] + own
    raw = read_table(data, name, settings, known)
    raw = _renamed(raw, known)
    present = set(raw.names)
    watched = [feature.name for feature in schema.watched]
    if not present.intersection(watched) and schema.target in present:
        return _labels(raw, schema)
    missing = [name for name in watched if name not in present]
    if missing:
        raise _lacking(raw, missing, set(known))
    return _rows(raw, schema)


# --- columns by name ------------------------------------------------------------------------------------------------


def _folded(name: str) -> str:
    """A name without case, spaces, underscores, hyphens and points, in one Unicode form."""
    return _JOINTS.sub("", unicodedata.normalize("NFKC", name).casefold())


def _renamed(raw: Raw, known: Sequence[str]) -> Raw:
    """Columns whose names differ only in case, spaces or joints get the schema's names, with a warning."""
    names = list(raw.names)
    lacking = [name for name in known if name not in names]
    spare = [name for name in names if name not in known]
    warnings = []
    for name in lacking:
        alike = [other for other in spare if _folded(other) == _folded(name)]
        rivals = [other for other in lacking if _folded(other) == _folded(name)]
        if len(alike) == len(rivals) == 1:
            names[names.index(alike[0])] = name
            warnings.append(f"Column {alike[0]!r} is taken for {name!r}.")
    extra = [name for name in spare if name in names]
    if extra:
        noun = "Column" if len(extra) == 1 else "Columns"
        verb = "is" if len(extra) == 1 else "are"
        warnings.append(f"{noun} {_listed(extra)} {verb} not in the schema and {verb} ignored.")
    return replace(raw, names=tuple(names), warnings=(*raw.warnings, *warnings))


def _lacking(raw: Raw, missing: Sequence[str], known: set[str]) -> Exception:
    spare = [name for name in raw.names if name not in known]
    near = {name: difflib.get_close_matches(name, spare, n=1, cutoff=0.6) for name in missing}
    hints = [f"{found[0]!r} for {name!r}" for name, found in near.items() if found][:_SHOWN]
    noun = "column" if len(missing) == 1 else f"{len(missing)} columns"
    remedy = f"Did you mean {', '.join(hints)}?" if hints else f"The file has {_listed(raw.names)}."
    return raw.refused(f"The {noun} {_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing.",
                       column=missing[0] if len(missing) == 1 else "", remedy=remedy)  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(shown(name)) for name in names[:_SHOWN]) + more


# --- rows -----------------------------------------------------------------------------------------------------------


def _rows(raw: Raw, schema: Schema) -> Checked:
    numeric = [feature.name for feature in schema.watched if feature.kind == "numeric"]
    if schema.task == "regression" and schema.target in raw.names:
        numeric.append(schema.target)
    evidence = evidence_of(raw, numeric)
    styles = styles_of(raw, evidence)
    warnings = list(raw.warnings)
    columns = []
    for feature in schema.watched:
        column, said = kinds.kind_column(raw, feature.name, feature.kind, styles.get(feature.name, "point"))
        columns.append(column)
        warnings += said + _left_open(raw, feature.name, evidence.get(feature.name), styles)
    target, said = _target(raw, schema, styles)
    warnings += said
    keys, said = _keys(raw, schema)
    warnings += said
    times, said = _times(raw, schema)
    warnings += said
    table = pa.Table.from_arrays(columns, names=[feature.name for feature in schema.watched])
    return Checked("rows", table, keys, target, times, tuple(warnings), raw.rows)


def _left_open(raw: Raw, name: str, evidence: Evidence | None, styles: dict[str, cells.Style]) -> list[str]:
    """Warn where 1,234 or 1.234 was read by the rest of the file, because its own column leaves it open."""
    if evidence is None or evidence.point_only or evidence.comma_only or raw.settings.decimal:
        return []
    style = styles[name]
    if not evidence.with_comma and (style == "point" or not evidence.with_point):
        return []
    text = cells.flat(raw.column(name))
    first = text.filter(pc.match_substring_regex(text, r"[.,]"))[:1]
    value = kinds.to_numbers(first, style)[0].as_py()
    return [f"Column {name!r}: {first[0].as_py()!r} is read as {value:.15g}; say read.decimal if that is wrong."]


def _keys(raw: Raw, schema: Schema) -> tuple[tuple[str | None, ...] | None, list[str]]:
    if schema.id_column is None:
        return None, []
    if schema.id_column not in raw.names:
        return None, [f"There is no column {schema.id_column!r}; later labels cannot be joined to these rows."]
    texts = kinds.to_text(raw.column(schema.id_column))
    keys = tuple(texts.to_pylist())
    warnings = []
    if texts.null_count:
        where = raw.place(np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False)))
        warnings.append(f"Column {schema.id_column!r}: {texts.null_count:,} rows have no id ({where}).")
    often = [key for key, times in Counter(keys).items() if key is not None and times > 1]
    if often:
        warnings.append(f"Column {schema.id_column!r}: {len(often):,} ids appear more than once ({_listed(often)}).")
    return keys, warnings


def _times(raw: Raw, schema: Schema) -> tuple[pa.Array | None, list[str]]:
    if schema.time_column is None:
        return None, []
    if schema.time_column not in raw.names:
        return None, [f"There is no column {schema.time_column!r}; the batch has no time of its own."]
    return kinds.kind_column(raw, schema.time_column, "date", "point")


def _target(raw: Raw, schema: Schema, styles: dict[str, cells.Style]) -> tuple[pa.Array | None, list[str]]:
    if schema.target not in raw.names:
        return None, []
    if schema.task == "regression":
        found, warnings = kinds.kind_column(raw, schema.target, "numeric", styles.get(schema.target, "point"))
    else:
        found, warnings = _classes(raw, schema)
    return (None if found.null_count == len(found) else found), warnings


def _classes(raw: Raw, schema: Schema) -> tuple[pa.Array, list[str]]:
    """Labels as the schema writes its classes; others are missing, or too many."""
    texts = kinds.to_text(raw.column(schema.target))
    if not schema.classes:
        return texts, []
    written = pc.unique(texts).drop_null().to_pylist()
    taken = {text: _class_of(text, schema.classes) for text in written}
    found = pc.dictionary_encode(texts)
    known = pa.array([taken.get(text) for text in found.dictionary.to_pylist()], pa.string()).take(found.indices)
    warnings = [
        f"Column {schema.target!r}: {text!r} is taken for the class {name!r}."
        for text, name in taken.items() if name is not None and name != text
    ]  # fmt: skip
    return known, warnings + _unknown_classes(raw, schema, texts, known)


def _class_of(text: str, classes: Sequence[str]) -> str | None:
    """The class a text stands for: itself, the only one that differs in case, or the same answer of two."""
    if text in classes:
        return text
    alike = [name for name in classes if name.casefold() == text.casefold()]
    if len(alike) == 1:
        return alike[0]
    answer = _ANSWERS.get(text.casefold())
    answers = {_ANSWERS.get(name.casefold()): name for name in classes}
    return answers.get(answer) if answer is not None and len(classes) == len(answers) == 2 else None


def _unknown_classes(raw: Raw, schema: Schema, texts: pa.Array, known: pa.Array) -> list[str]:
    bad = np.flatnonzero(pc.and_(texts.is_valid(), known.is_null()).to_numpy(zero_copy_only=False))
    if not len(bad):
        return []
    values = _listed(pc.unique(texts.take(pa.array(bad))).to_pylist())
    allowed = f"The classes are {_listed(schema.classes)}."
    if len(bad) > raw.settings.bad_cells * len(texts):
        raise raw.refused(f"{len(bad):,} of {len(texts):,} labels are of no known class: {values}.", row=int(bad[0]),
                          column=schema.target, remedy=allowed)  # fmt: skip
    return [
        f"Column {schema.target!r}: {len(bad):,} labels of no known class are read as missing: {values}"
        f" in {raw.place(bad)}. {allowed}"
    ]


# --- labels ---------------------------------------------------------------------------------------------------------


def _labels(raw: Raw, schema: Schema) -> Checked:
    """Id and target only: one label an id, the last one wins."""
    if schema.id_column is None:
        raise raw.refused("The file has labels but no feature, and the monitor has no id column to join them by.",
                          remedy="Send the labels in the same file as the features.")  # fmt: skip
    if schema.id_column not in raw.names:
        raise raw.refused("The labels have no ids.", column=schema.id_column,
                          remedy="Add the id column, so that each label finds its row.")  # fmt: skip
    ids = kinds.to_text(raw.column(schema.id_column))
    if ids.null_count:
        row = ids.to_pylist().index(None)
        raise raw.refused(f"{ids.null_count:,} labels have no id.", row=row, column=schema.id_column,
                          remedy="Give every label the id of its row.")  # fmt: skip
    evidence = evidence_of(raw, [schema.target])
    target, warnings = _target(raw, schema, styles_of(raw, evidence))
    if target is None:
        raise raw.refused("No label has a value.", column=schema.target)
    keys, labels, said = _last_labels(raw, schema, ids.to_pylist(), target.to_pylist())
    target = pa.array(labels, target.type)
    empty = pa.Table.from_arrays([], names=[])
    return Checked("labels", empty, tuple(keys), target, None, (*raw.warnings, *warnings, *said), len(keys))


def _last_labels(
    raw: Raw, schema: Schema, ids: Sequence[str], labels: Sequence[str | float | None]
) -> tuple[list[str], list[str | float], list[str]]:
    found: dict[str, str | float] = {}
    changed: dict[str, int] = {}
    empty = repeated = 0
    for row, (key, label) in enumerate(zip(ids, labels, strict=True)):
        if label is None:
            empty += 1
            continue
        if key in found:
            repeated += 1
            if found[key] != label:
                changed[key] = row
        found[key] = label
    warnings = []
    if empty:
        warnings.append(f"{empty:,} ids have no label and are left out.")
    if changed:
        key, row = next(iter(changed.items()))
        warnings.append(f"Column {schema.target!r}: {len(changed):,} ids have contradicting labels; the last one counts"
                        f" (first {key!r}, again in {raw.place(np.array([row]))}).")  # fmt: skip
    elif repeated:
        warnings.append(f"{repeated:,} labels are repeated.")
    return list(found), list(found.values()), warnings
