"""What a target asks for: classes or numbers. Pure."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.read import class_text
from storage.errors import Refused
from storage.records import Task

MOST_CLASSES = 100
FEW_NUMBERS = 20  # a target of so few whole numbers is taken for classes


def task_of(column: pa.ChunkedArray, name: str, file: str, wanted: Task | None = None) -> tuple[Task, tuple[str, ...]]:
    """Classification for text, bools and few whole numbers; regression for the rest.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        The target; missing values are passed over.
    name, file : str
        For messages.
    wanted : str, optional
        What a person says it is.

    Returns
    -------
    (task, classes)
        Classes as text, sorted; empty for regression.

    Raises
    ------
    Refused
        If there is no value, one class only, too many, or text where numbers are wanted.
    """
    distinct = pc.unique(column.drop_null()).to_pylist()
    if not distinct:
        raise Refused("The target has no value.", file=file, column=name)
    number = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    many = len(distinct) > FEW_NUMBERS or not all(float(value).is_integer() for value in distinct if number)
    task = wanted or ("regression" if number and many else "classification")
    if task == "regression":
        if not number:
            raise Refused("A regression needs numbers in the target.", file=file, column=name)
        return task, ()
    classes = tuple(sorted({class_text(value) for value in distinct}))
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise Refused(
            f"The target has {len(classes)} classes; between 2 and {MOST_CLASSES} can be told apart.",
            file=file,
            column=name,
            remedy="For numbers, say --task regression." if number else "",
        )
    return task, classes
