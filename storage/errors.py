"""The errors a person may meet; every message is one clear sentence or two.

ProductError
├── Refused      the input or the request is wrong: says what, where, what was expected, what to do
├── Conflict     right in itself, but something else is in the way (a duplicate name, a held folder)
├── Missing      what was asked for is not there (a monitor, a version, a batch)
└── Unhealthy    the program's own ground gives way (a child that died, a model that does not repeat itself)
    ├── Blocked  for now only: the disk is full or the database is locked; what was asked is tried again
    └── Damaged  stored bytes are not what was written; says what to bring back

Raise at the edge and translate foreign errors with ``from``. The page and the command line print ``str(error)``;
the log keeps the trace.
"""

from __future__ import annotations


class ProductError(Exception):
    """The root: anything we explain to a person instead of showing a traceback."""


class Refused(ProductError):
    """A file, row, setting or request that cannot be taken as it is.

    Parameters
    ----------
    message : str
        What is wrong and what was expected, as a sentence.
    remedy : str, optional
        What the person can do; added to the message.
    file, column : str, optional
        Where it is wrong.
    row : int, optional
        Line in the file, the header being line 1.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        file: str = "",
        column: str = "",
        row: int | None = None,
    ) -> None:
        where = ", ".join(
            part
            for part in (
                file,
                f"column {column!r}" if column else "",
                f"line {row}" if row is not None else "",
            )
            if part
        )
        super().__init__(" ".join(part for part in (f"{where}: {message}" if where else message, remedy) if part))
        self.file, self.column, self.row, self.remedy = file, column, row, remedy


class Conflict(ProductError):
    """Something else holds or already has what was asked for."""


class Missing(ProductError):
    """No such monitor, version, batch or file."""


class Unhealthy(ProductError):
    """Damage, a lock, a full disk, or a child process that did not finish."""


class Blocked(Unhealthy):
    """A full disk or a lock: nothing is wrong with the work itself, so it waits and is tried again."""


class Damaged(Unhealthy):
    """Stored bytes are not what was written. Nothing is wrong with the work itself."""
