"""What goes wrong in a request is answered in a sentence: no traceback, no path of this machine."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from dashboard.guard import error_code
from dashboard.web.access import CALLBACKS, refusal, too_large
from storage.errors import Conflict, Missing, ProductError, Refused

log = logging.getLogger("drift.pages")
STATUS: tuple[tuple[type[ProductError], int], ...] = (
    (Missing, 404),
    (Refused, 400),
    (Conflict, 409),
    (ProductError, 503),
)
_WORDS = {
    400: "The request cannot be understood.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    415: "Send JSON (Content-Type: application/json).",
}


def explain_errors(server: Flask) -> None:
    """Answer every error of an application in words."""

    @server.errorhandler(ProductError)
    def told(error: ProductError) -> Response:
        return refusal(next(status for kind, status in STATUS if isinstance(error, kind)), str(error))

    @server.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response | HTTPException:
        status = error.code or 500
        if status < 400:
            return error
        if isinstance(error, RequestEntityTooLarge):
            return refusal(413, too_large(request.max_content_length or 0))
        return refusal(status, _WORDS.get(status, f"{HTTPStatus(status).phrase}."))

    @server.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        if request.path == CALLBACKS and _not_ours(error):
            return refusal(400, "This is not a call of a page of this program.")
        code = error_code()
        log.error("%s %r failed, id %s", request.method, request.path, code, exc_info=error)
        return refusal(500, f"The program met an error it did not expect. Logged as {code}.")


def _not_ours(error: Exception) -> bool:
    """Whether a call failed before any code of a page ran: no such callback, or a body of another shape."""
    frame, files = error.__traceback__, []
    while frame is not None:
        files.append(frame.tb_frame.f_code.co_filename)
        frame = frame.tb_next
    return isinstance(error, (KeyError, TypeError, AttributeError, IndexError, RecursionError)) and not any(
        "/dashboard/pages/" in name or "/dashboard/actions" in name for name in files
    )
