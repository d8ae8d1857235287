"""What the command line hands over while this process holds the data folder. Only who can read its token may ask."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, abort, current_app, request

from pipeline import commands
from storage.codec import to_json

verbs = Blueprint("verbs", __name__)


@verbs.post("/api/verbs/<verb>")
def run(verb: str) -> Response:
    """Run one verb of the command line; its arguments are the JSON body."""
    service = current_app.config["service"]
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not service.access_token or not hmac.compare_digest(given.encode(), service.access_token.encode()):
        abort(401)
    arguments = request.get_json(silent=True)
    if not isinstance(arguments, dict):
        abort(400)
    body, status = commands.answer(service, verb, arguments)
    return Response(to_json(body), status=status, mimetype="application/json")
