"""What a person may ask: distributions, comparisons, previews, predictions. Nothing here writes.

Any process may ask, whoever holds the data folder: ``reading`` opens the shelf alone.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from pipeline.answers import monitors, predictions, scores, versions
from pipeline.desk import Shelf, at_desk
from storage import history
from storage.errors import Missing, Refused
from storage.records import Comparison, Monitor
from storage.settings import Settings
from storage.store import DATABASE


@contextmanager
def reading(folder: Path) -> Iterator[Views]:
    """The answers of a data folder, without holding it.

    Raises
    ------
    Missing
        If there is no data there.
    """
    if not (folder / DATABASE).exists():
        raise Missing(f"There is no data at {folder}. Start with: run.py init NAME --reference FILE --target COL")
    shelf = Shelf(folder)
    try:
        yield Views(shelf)
    finally:
        shelf.close()


class Views:
    """Answers over a shelf: each is a function of ``pipeline.answers``.

    Parameters
    ----------
    desk : Shelf
        Where to look.
    """

    def __init__(self, desk: Shelf) -> None:
        self.desk = desk
        self._compared = functools.lru_cache(maxsize=16)(functools.partial(versions.compared, desk))

    @property
    def db(self) -> Database:
        """This thread's connection for reading."""
        return self.desk.db

    # --- monitors ----------------------------------------------------------------------------------------------------

    def the_monitor(self, name: str | None) -> Monitor:
        """The monitor of a name, or the only one if no name is given."""
        if name is not None:
            return history.monitor(self.db, name)
        found = history.monitors(self.db)
        if len(found) == 1:
            return found[0]
        names = ", ".join(monitor.name for monitor in found) or "none yet"
        raise Refused(f"Say which monitor with --monitor NAME. Monitors here: {names}.")

    def monitor_names(self) -> list[str]:
        """Names of all monitors."""
        return [monitor.name for monitor in history.monitors(self.db)]

    def settings(self, monitor_id: int) -> Settings:
        """The settings in force."""
        return history.settings_in_force(self.db, monitor_id)

    status = at_desk(monitors.status)
    needs_person = at_desk(monitors.needs_person)
    export = at_desk(monitors.export)

    # --- drift -------------------------------------------------------------------------------------------------------

    distribution = at_desk(scores.distribution)
    quantiles = at_desk(scores.quantiles)
    associations = at_desk(scores.associations)
    together = at_desk(scores.together)
    together_alone = at_desk(scores.together_alone)
    band = at_desk(scores.band)
    settings_effect = at_desk(scores.settings_effect)

    # --- predictions -------------------------------------------------------------------------------------------------

    preview = at_desk(predictions.preview)
    problems = at_desk(predictions.problems)
    predict = at_desk(predictions.predict)
    predict_csv = at_desk(predictions.predict_csv)
    predictions_csv = at_desk(predictions.predictions_csv)
    beside = at_desk(predictions.beside)

    # --- versions ----------------------------------------------------------------------------------------------------

    version_lines = at_desk(versions.version_lines)
    live = at_desk(versions.live)
    reproduce = at_desk(versions.reproduce)
    learned_apart = at_desk(versions.learned_apart)
    model_bytes = at_desk(versions.model_bytes)

    def compare(self, monitor: str, a: int, *others: int) -> tuple[Comparison, ...]:
        """Versions, by their numbers, each beside the first, on the same newest labelled rows.

        What was compared is remembered until other labels or settings come.
        """
        owner = self.the_monitor(monitor)
        ids = tuple(history.version_numbered(self.db, owner.id, number).id for number in (a, *others))
        return self._compared(owner.id, ids, versions.labels_stamp(self.desk, owner.id))
