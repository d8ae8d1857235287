"""What a person sees: pages drawn from storage's values, acting through the service.

``service()`` is the one hand-over between the web application and the rest; ``actor()`` is who asks, and ``may_act()``
whether they may change anything; ``look()`` is how the browser in front of the person wants to be drawn for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import flask

from storage.errors import Refused

if TYPE_CHECKING:
    from pipeline.service import Service
    from storage.records import Role

ONLY_LOOKING = "You may look but not act here: your role is viewer. Ask someone with the role operator."


@dataclass(frozen=True)
class Actor:
    """Who asks: a user, a token of a machine, or this machine's own person while no login is set up."""

    name: str
    role: Role
    signed_in: bool = False  # by a session of the browser, which can be signed out

    @property
    def may_act(self) -> bool:
        """Whether this one may change anything."""
        return self.role == "operator"


def actor() -> Actor:
    """Who asks in the current request; ``access`` has found it out before anything else ran."""
    return flask.g.get("actor") or Actor("nobody", "viewer")


def may_act() -> bool:
    """Whether the current request comes from someone who may change anything. (Outside of any request: yes.)"""
    return not flask.has_request_context() or actor().may_act


def service() -> Service:
    """The service of the application that answers the current request; one that only shows for those who only look."""
    serving = flask.current_app.config["service"]
    return serving if may_act() else _Onlooker(serving)  # type: ignore[return-value]


class _Onlooker:
    """The reading side of a service: every verb that changes something is refused, whoever calls it."""

    def __init__(self, serving: Service) -> None:
        self._serving = serving

    def __getattr__(self, name: str) -> Any:
        from pipeline.views import Views

        if hasattr(Views, name) or name in ("desk", "heartbeat", "describe", "findings", "stuck"):
            return getattr(self._serving, name)
        raise Refused(ONLY_LOOKING)


@dataclass(frozen=True)
class Look:
    """How to draw for this browser: in the dark, on a narrow screen."""

    dark: bool = False
    narrow: bool = False


def look() -> Look:
    """What the browser said of itself in its cookies (set before the first request by the page's own script)."""
    cookies = flask.request.cookies
    return Look(dark=cookies.get("theme") == "dark", narrow=cookies.get("narrow") == "1")
