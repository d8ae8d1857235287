"""What the doctor found, and which backups there are: two panels of the Health page."""

from __future__ import annotations

from typing import Any

from dashboard import parts, say, service
from storage import upkeep


def panels() -> list[Any]:
    """The promises about the data folder, and the way back."""
    return [parts.panel("Promises", _promises(), flush=True), parts.panel("Backups", _backups())]


def _promises() -> Any:
    if service().findings is None:
        return parts.quiet("The doctor has not looked yet; it does so at the start and every hour.")
    _, found = service().findings
    words = {True: say.Word("Holds", "ok"), False: say.Word("Broken", "bad")}
    rows = [
        [finding.check, parts.badge(words[finding.ok]), "–" if finding.ok else finding.text]
        for finding in sorted(found, key=lambda finding: finding.ok)
    ]
    columns = [parts.Column("Promise"), parts.Column("State"), parts.Column("What is wrong", wide=True)]
    return parts.table(columns, rows, "Promises about the data folder")


def _backups() -> Any:
    now = service().desk.now()
    kept = upkeep.kept(service().desk.folder)
    facts = [("Kept", f"{len(kept):,}")]
    if kept:
        made = upkeep.made_at(kept[-1])
        facts += [
            ("Newest", f"{kept[-1].name}, {say.size(kept[-1].stat().st_size)}"),
            ("Made", say.ago(int(made.timestamp() * 1e6), now) if made else "–"),
            ("Way back", f"run.py restore {kept[-1]} --data-dir NEW"),
        ]
    if service().findings is not None:
        facts.append(("Promises checked", say.ago(service().findings[0], now)))
    return parts.facts(*facts)


def running(names: list[str], stuck: dict[str, float]) -> str:
    """The jobs that run now; those that take too long say for how long."""
    told = [f"{name} (stuck for {stuck[name] / 60:.0f} min)" if name in stuck else name for name in names]
    return say.listing(told, 4) or "nothing"
