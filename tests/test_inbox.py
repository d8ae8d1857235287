"""Everything that waits for a person has words and buttons in the inbox."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dashboard.panels import inbox


@pytest.mark.parametrize("kind", ["held", "quarantined", "doubtful", "failed_job"])
def test_whatever_waits_can_be_answered(kind: str) -> None:
    need = {
        "kind": kind, "monitor": "shop", "text": "Why.", "since": 1, "batch_id": 7, "batch_name": "day.csv",
        "acceptable": True, "version_number": 2, "job": None,
    }  # fmt: skip
    drawn = str(inbox.waiting(SimpleNamespace(needs_person=lambda: [need])))
    assert "One thing needs a person" in drawn
    assert "Why." in drawn
    assert "Button" in drawn or "Look" in drawn
