"""Who may ask: this machine's own browser and programs. Other sites, and names that only pretend to be us, may not.

Dash checks neither Host nor Origin, so a page on the internet could otherwise post to, or read from, this address.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, make_response, request

from dashboard import Actor

LOCAL = ("localhost", "127.0.0.1", "::1")
_ELSEWHERE = "This address answers to localhost only. Use an SSH tunnel, or a proxy that sends Host: localhost.\n"
POLICY = (
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' blob: data:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)


def guard(server: Flask, script_hashes: Callable[[], list[str]]) -> None:
    """Refuse foreign hosts and cross-site writes; put the protecting headers on every answer.

    Parameters
    ----------
    server : Flask
    script_hashes : callable
        Gives the hashes of the application's own inline scripts, quoted; asked for late, because Dash adds some at the
        first request.
    """

    @server.before_request
    def check() -> None:
        if _host(f"//{request.host}") not in LOCAL:
            abort(make_response(_ELSEWHERE, 400))
        g.actor = Actor("page", "operator")
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        if foreign or request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            abort(make_response("A page of another site asked for this; it was refused.\n", 403))

    @server.after_request
    def protect(answer: Response) -> Response:
        scripts = " ".join(["script-src 'self'", *script_hashes()])
        answer.headers.setdefault("Content-Security-Policy", "; ".join([*POLICY, scripts]))
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("Referrer-Policy", "no-referrer")
        answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return answer


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
