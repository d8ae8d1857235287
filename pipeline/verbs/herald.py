"""Alerts on their way: by each channel that the settings of a monitor name for what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import alerts
from pipeline.desk import Desk
from storage import history
from storage.errors import ProductError
from storage.records import Monitor


def tell(desk: Desk, owner: Monitor, kind: str, text: str) -> None:
    """Send what happened to whom it concerns; what cannot be sent is written down."""
    for row in history.settings_in_force(desk.db, owner.id).alerts:
        if kind not in row.on:
            continue
        try:
            alerts.send(alerts.Message(owner.name, kind, text), row.channel, row.options)
        except ProductError as error:
            message = f"The alert by {row.channel} was not sent: {error}"
            desk.store.add_event(desk.event(owner, "alert_failed", message, level="error"))


def send_test(desk: Desk, monitor: str, channel: str, options: Mapping[str, Any], author: str = "page") -> None:
    """Send a test by a channel, so that a person sees it arrive before it is needed. Raises as ``alerts.send``."""
    owner = history.monitor(desk.db, monitor)
    text = f"A test of the alerts of {owner.name}: nothing has happened."
    alerts.send(alerts.Message(owner.name, "test", text), channel, options)
    desk.store.add_event(desk.event(owner, "alert_test", f"A test was sent by {channel}.", author=author))
