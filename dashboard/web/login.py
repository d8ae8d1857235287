"""Signing in and out. Ten wrong tries slow down every further one."""

from __future__ import annotations

import base64
import functools
import hashlib
import logging
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from importlib.resources import files

from flask import Blueprint, Flask, Response, current_app, make_response, redirect, render_template, request, session

from dashboard.web.access import FORM_LIMIT, POLICY, SIGN_IN, SIGN_OUT, Door
from pipeline import accounts
from storage import history

log = logging.getLogger("drift.access")
login = Blueprint("login", __name__)

_WRONG = "Name and password do not belong together."


class Tries:
    """Wrong tries of late, per name and address; each one over the allowed number doubles the wait. Pure but for its
    own count; the time is an argument.

    Examples
    --------
    >>> tries = Tries()
    >>> for second in range(10):
    ...     tries.begin({"ann": 10}, second)
    0.0
    >>> tries.begin({"ann": 10}, 9.5)
    """

    LONGEST = 300.0  # seconds of one wait
    MEMORY = 900.0  # seconds after which tries are forgotten
    MOST = 10_000  # names and addresses remembered

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def begin(self, allowed: dict[str, int], now: float) -> float:
        """Seconds to wait before a try; if 0, the try is counted as wrong until ``right`` says otherwise.

        Parameters
        ----------
        allowed : dict
            What the try is counted under, and how many wrong ones each may have before it waits.
        now : float
            Seconds on a clock that is never set back.
        """
        with self._lock:
            wait = max(self._wait(key, most, now) for key, most in allowed.items())
            if wait == 0:
                for key in allowed:
                    count, at = self._wrong.get(key, (0, now))
                    self._wrong[key] = ((count if now - at < self.MEMORY else 0) + 1, now)
                self._forget(now)
            return wait

    def right(self, keys: Iterable[str]) -> None:
        """The try was right after all."""
        with self._lock:
            for key in keys:
                self._wrong.pop(key, None)

    def _wait(self, key: str, most: int, now: float) -> float:
        count, at = self._wrong.get(key, (0, now))
        if count < most or now - at >= self.MEMORY:
            return 0.0
        return max(0.0, at + min(2.0 ** (count - most + 1), self.LONGEST) - now)

    def _forget(self, now: float) -> None:
        if len(self._wrong) > self.MOST:
            kept = sorted(self._wrong.items(), key=lambda item: -item[1][1])[: self.MOST // 2]
            self._wrong = {key: (count, at) for key, (count, at) in kept if now - at < self.MEMORY}


def prepare(server: Flask, key: bytes, door: Door) -> None:
    """Sessions and the two addresses of an application.

    Parameters
    ----------
    server : Flask
    key : bytes
        Signs the cookie.
    door : Door
    """
    mark = hashlib.sha256(key).hexdigest()[:8]  # cookies are shared by all ports of a host: two programs, two cookies
    server.config.update(
        SECRET_KEY=key,
        SESSION_COOKIE_NAME=f"__Host-drift-{mark}" if door.proxied else f"drift-{mark}",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=door.proxied,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=accounts.SESSION_HOURS),
        MAX_FORM_MEMORY_SIZE=FORM_LIMIT,
        tries=Tries(),
    )
    server.register_blueprint(login)


def page(way_back: str, said: str = "", name: str = "", status: int = 401) -> Response:
    """The form, in place of whatever was asked for."""
    script = _text("first.js")
    shown = render_template(
        "login.html", style=_text("app.css"), script=script, way_back=_inside(way_back), said=said, name=name,
        action=SIGN_IN, dark=request.cookies.get("theme") == "dark",
    )  # fmt: skip
    answer = make_response(shown, status)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    answer.headers["Content-Security-Policy"] = "; ".join([*POLICY, f"script-src 'sha256-{digest}'"])
    return answer


@login.post(SIGN_IN)
def sign_in() -> Response:
    """Compare name and password; slow down who guesses."""
    name, password = request.form.get("name", "")[:100], request.form.get("password", "")
    way_back = request.form.get("next", "/")
    address = request.remote_addr or "?"
    tries: Tries = current_app.config["tries"]
    counted = {f"{address} {name}": 10, f"name {name}": 100, f"address {address}": 100}
    wait = tries.begin(counted, time.monotonic())
    if wait > 0:
        _tell_of_guessing(name, address)
        said = f"Too many wrong tries. Try again in {wait:.0f} seconds."
        answer = page(way_back, said, name, 429)
        answer.headers["Retry-After"] = f"{wait:.0f}"
        return answer
    service = current_app.config["service"]
    found = accounts.sign_in(service.desk, name, password)
    if found is None:
        log.warning("a wrong password from %s", address)
        return page(way_back, _WRONG, name)
    tries.right(counted)
    user, secret = found
    _end_session()
    session.clear()
    session["key"], session.permanent = secret, True
    log.info("%s signed in from %s", user.name, address)
    return make_response(redirect(_inside(way_back), 303))


@login.post(SIGN_OUT)
def sign_out() -> Response:
    """End this browser's session, here and in the database."""
    _end_session()
    session.clear()
    return make_response(redirect("/", 303))


def _end_session() -> None:
    if "key" in session:
        current_app.config["service"].store.sign_out(accounts.digest(session["key"]))


def _tell_of_guessing(name: str, address: str) -> None:
    """Once for each wave of tries. An unknown name is not repeated: it may be a password in the wrong field."""
    service = current_app.config["service"]
    known = history.user(service.db, name)
    text = f"Too many wrong passwords for {name if known else 'names that are not known'}, from {address}."
    newest = history.events(service.db, kinds=("access",), last=1)
    if not newest or newest[0].message != text:
        service.store.add_event(service.desk.event(None, "access", text, level="warning", author="page"))


def _inside(way_back: str) -> str:
    """A path of this application, whatever was asked for: no other host, no sign-in page again."""
    inside = way_back.startswith("/") and not way_back.startswith(("//", "/\\", SIGN_IN, SIGN_OUT))
    return way_back if inside and way_back.isprintable() else "/"


@functools.cache
def _text(name: str) -> str:
    return (files("dashboard") / "assets" / name).read_text()
