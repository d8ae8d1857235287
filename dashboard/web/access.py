"""Who may ask, and from where: everything is refused that is not let in here.

While nobody has been given an account, this machine's own browser and programs may do everything, and no address beyond
this machine is served. From the first account on, every request (pages, callbacks, files, API) needs a session or a
token; only ``/healthz`` answers without.

Dash checks neither Host nor Origin, so a page on the internet could otherwise post to, or read from, this address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, jsonify, request, session

from dashboard import ONLY_LOOKING, Actor
from pipeline.accounts import digest
from storage import history
from storage.errors import ProductError

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN = "/healthz"  # the one address that answers without a login, and then only whether all is well
SIGN_IN, SIGN_OUT = "/login", "/logout"
CALLBACKS = "/_dash-update-component"
FILE_LIMIT = 300_000_000  # bytes of a delivery by HTTP; a monitor's own limit (read.max_bytes) is below
CALLBACK_LIMIT = 50 * 1024 * 1024 * 4 // 3 + 65_536  # the browser's largest upload, as base64, and what goes with it
FORM_LIMIT = 65_536
POLICY = (
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' blob: data:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True)
class Door:
    """How the application is reached.

    Attributes
    ----------
    names : frozenset of str
        Hosts it answers to besides this machine's own.
    beyond : bool
        Whether others can reach it: then a login is needed even if there is no account.
    proxied : bool
        Whether a proxy on this machine stands before it and speaks TLS with browsers.
    """

    names: frozenset[str] = frozenset()
    beyond: bool = False
    proxied: bool = False

    def admits(self, host: str | None) -> bool:
        """Whether a request for this host is meant for us. (An address cannot be rebound by a foreign name server.)"""
        if host is None:
            return False
        return host in LOCAL or host in self.names or (self.beyond and _is_address(host))


def guard(
    server: Flask, script_hashes: Callable[[], list[str]], sign_in: Callable[[str], Response], door: Door
) -> None:
    """Let in who may come in, before anything else runs; put the protecting headers on every answer.

    Parameters
    ----------
    server : Flask
    script_hashes : callable
        Gives the hashes of the application's own inline scripts, quoted; asked for late, because Dash adds some at the
        first request.
    sign_in : callable
        Given the address that was asked for, the page shown instead to a person who is not signed in.
    door : Door
    """

    def check() -> Response | None:
        return _foreign(door) or _unknown(door, sign_in) or _too_much()

    server.before_request_funcs.setdefault(None, []).insert(0, check)

    @server.after_request
    def protect(answer: Response) -> Response:
        scripts = " ".join(["script-src 'self'", *script_hashes()])
        answer.headers.setdefault("Content-Security-Policy", "; ".join([*POLICY, scripts]))
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        if door.proxied:
            answer.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if not request.path.startswith(("/assets/", "/static/", "/_dash-component-suites/")):
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer


def refusal(status: int, text: str) -> Response:
    """A refusal in a sentence."""
    answer = jsonify(error=text)
    answer.status_code = status
    return answer


def _foreign(door: Door) -> Response | None:
    """Requests for another host (a foreign name that was made to point here) and requests that another site makes."""
    if not door.admits(_host(f"//{request.host}")):
        return refusal(
            400,
            "This address does not answer to that name. Start with --allow-host NAME to add one."
            if door.beyond
            else "This address answers to localhost only. Use an SSH tunnel, or start with --allow-host NAME.",
        )
    site = request.headers.get("Sec-Fetch-Site", "")
    if request.method in ("GET", "HEAD", "OPTIONS"):
        foreign = site == "cross-site" and request.headers.get("Sec-Fetch-Mode") != "navigate"
    else:
        origin = request.headers.get("Origin")
        foreign = site in ("cross-site", "same-site") or (origin is not None and not _same(origin, site))
    return refusal(403, "A page of another site asked for this; it was refused.") if foreign else None


def _same(origin: str, site: str) -> bool:
    """Whether an origin is ours.

    A form of a page without referrer sends ``null``. Where the browser says besides that it is our own page, it is
    believed; where it does not say (plain HTTP on a network), only the two forms of the login are: they ask for a
    password, or for a cookie that no other site can make a browser send.
    """
    if origin == "null":
        return site == "same-origin" or (not site and request.path in (SIGN_IN, SIGN_OUT))
    return _netloc(origin) == request.host


def _unknown(door: Door, sign_in: Callable[[str], Response]) -> Response | None:
    """Whoever has neither session nor token, once these are needed; and viewers who want to act."""
    try:
        g.actor = _who(door)
    except ProductError as error:
        return refusal(503, str(error))
    if request.path == OPEN or (request.path == SIGN_IN and request.method == "POST"):
        return None
    if g.actor is None:
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return sign_in(request.full_path.rstrip("?"))
        answer = refusal(401, "Sign in first, or send a token: 'Authorization: Bearer ...'.")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    reading = request.method in ("GET", "HEAD", "OPTIONS") or request.path in (CALLBACKS, SIGN_OUT)
    return None if reading or g.actor.may_act else refusal(403, ONLY_LOOKING)


def _who(door: Door) -> Actor | None:
    """The user of the session, the machine of the token, or this machine's own person while no login is set up."""
    serving = current_app.config["service"]
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if given and scheme.lower() == "bearer":
        sha256 = digest(given.strip())
        if serving.access_token and sha256 == digest(serving.access_token):
            return Actor("command", "operator")
        token = history.token_of(serving.db, sha256)
        if token is not None:
            return Actor(f"{token.name} (token)", token.role)
        if door.beyond or history.has_accounts(serving.db):
            return None
    if "key" in session:
        user = history.user_of_session(serving.db, digest(session["key"]), serving.desk.now())
        if user is not None:
            return Actor(user.name, user.role, signed_in=True)
    if door.beyond or history.has_accounts(serving.db):
        return None
    return Actor("http" if request.path.startswith("/api/") else "page", "operator")


def _too_much() -> Response | None:
    """A body larger than its address takes is refused before it is read."""
    if request.path.startswith("/api/m/"):
        limit = FILE_LIMIT
    else:
        limit = CALLBACK_LIMIT if request.path == CALLBACKS else FORM_LIMIT
    request.max_content_length = limit
    if (request.content_length or 0) > limit:
        return refusal(413, too_large(limit))
    return None


def too_large(limit: int) -> str:
    """What to say of a body over the limit."""
    return (
        f"That is more than the {limit:,} bytes taken here. Split the file, "
        "put it into the inbox folder, or use: run.py ingest FILE."
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
