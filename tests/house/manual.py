"""Writes docs/settings.md from the settings themselves: ``python -m tests.house.manual``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from storage.settings import AlertSettings, FeatureSettings, Settings

PAGE = Path(__file__).parent.parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Every monitor has its own. Change them on its Settings page, with `run.py settings --set key=value`, or at the founding
with `run.py init ... --set key=value`. Each change is kept, with who made it and why; a decision names the settings it
used.

"""
SECTIONS = {
    "drift": "When a batch drifts",
    "faults": "When data counts as broken rather than changed",
    "retrain": "When to train, and what a challenger must show",
    "segments": "Which parts of the rows are measured apart",
    "read": "How files are read",
}


def manual() -> str:
    """The page."""
    return HEAD + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for name, title in SECTIONS.items():
        yield from _table(title, f"{name}.", Settings.model_fields[name].annotation)
    yield from _table("One feature's own (what is not set is the monitor's)", "features.NAME.", FeatureSettings)
    yield from _table("An alert channel (`alerts` is a list of these)", "", AlertSettings)


def _table(title: str, prefix: str, section: type) -> Iterator[str]:
    yield from (f"## {title}", "", "| key | default | meaning |", "| --- | --- | --- |")
    for key, field in section.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = (
            ", ".join(map(repr, default)) if isinstance(default, tuple) else "" if default is None else repr(default)
        )
        meaning = (field.description or "").replace("|", "\\|")
        yield f"| `{prefix}{key}` | {shown.replace('|', chr(92) + '|')} | {meaning} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(manual())
