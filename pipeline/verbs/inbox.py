"""The inbox folders: what has finished arriving is received, and leaves its place only once its bytes are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline import sources
from pipeline.desk import Desk
from pipeline.verbs import deliveries
from storage import history
from storage.errors import Missing, Refused


class Inbox:
    """The folder with one inbox a monitor, and what was seen there at the last look.

    Parameters
    ----------
    desk : Desk
    point : callable
        Called with the name of each moment of taking a file (fault tests).
    """

    def __init__(self, desk: Desk, point: Callable[[str], None]) -> None:
        self.folder: Path = desk.folder / "inbox"
        self._desk = desk
        self._point = point
        self._looks = sources.Looks()
        self.folder.mkdir(exist_ok=True)
        sources.recover(self.folder)

    def look(self) -> int:
        """Take what has finished arriving; returns how many files were taken."""
        taken = 0
        self._looks, arrivals = sources.look(self.folder, self._looks)
        for arrival in arrivals:
            try:
                taken += self._take(arrival)
            except (Missing, Refused, OSError) as error:
                self._tell_once(f"inbox/{arrival.monitor}/{arrival.name}: {error}")
        return taken

    def _take(self, arrival: sources.Arrival) -> int:
        owner = history.monitor(self._desk.db, arrival.monitor)
        deliveries.check_size(self._desk, owner, arrival.name, arrival.size)
        try:
            claimed = sources.claim(arrival.path)
        except FileNotFoundError:
            return 0  # taken away between the look and now
        self._point("inbox:claimed")
        try:
            deliveries.receive(self._desk, owner.name, arrival.name, claimed.read_bytes(), "inbox", "schedule")
        except BaseException:
            sources.release(claimed)
            raise
        self._point("inbox:received")
        sources.acknowledge(claimed)
        self._point("inbox:acknowledged")
        return 1

    def _tell_once(self, message: str) -> None:
        if not history.events(self._desk.db, kinds=("inbox",), text=message, last=1):
            self._desk.store.add_event(self._desk.event(None, "inbox", message, level="warning"))
