"""Alert channels: ``send(message, options)``, one function and one row each.

A channel is chosen in a monitor's settings: ``{"channel": "webhook", "options": {"url": "https://chat.example/hook"}}``.
A channel that fails is recorded as an event; it never stops a batch.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import smtplib
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from storage.errors import Refused, Unhealthy

_SECONDS = 10
_SECRET = ("password", "secret", "token", "key")


@dataclass(frozen=True)
class Message:
    """What happened, to whom, in words."""

    monitor: str
    kind: str  # drift, hold, quarantine, promote, rollback, failure
    text: str


@dataclass(frozen=True)
class Channel:
    """A row of the table: how to send, and which options it wants."""

    name: str
    label: str
    send: Callable[[Message, Mapping[str, Any]], None]
    options: Mapping[str, str]  # name -> what it is


def _log(message: Message, options: Mapping[str, Any]) -> None:
    logging.getLogger("drift.alerts").warning("%s: %s: %s", message.monitor, message.kind, message.text)


def _webhook(message: Message, options: Mapping[str, Any]) -> None:
    """POST JSON. A private address is refused unless ``allow_private`` says so; redirects are not followed.

    It is looked at twice: before anything is asked of it, and when it is connected, as a name may be resolved anew.
    """
    url = str(options.get("url", ""))
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused(f"A webhook needs an http or https address, not {url[:8]!r}...")
    handlers: list[type[urllib.request.BaseHandler]] = [_NoRedirect]
    if not options.get("allow_private"):
        _refuse_private(parts.hostname)
        handlers += [_PublicHttp, _PublicHttps]
    body = json.dumps({"monitor": message.monitor, "kind": message.kind, "text": message.text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(*handlers)
    try:
        opener.open(request, timeout=_SECONDS).close()
    except (urllib.error.URLError, OSError) as error:
        raise Unhealthy(f"The webhook at {parts.hostname} did not take the alert: {error}.") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        return None


def _refuse_private(host: str) -> None:
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise Unhealthy(f"The host {host} is not known: {error}.") from error
    if not all(map(_public, addresses)):
        raise Refused(f"{host} is a private address. Set allow_private if the webhook is meant to stay inside.")


def _public(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_global


class _Http(http.client.HTTPConnection):
    def connect(self) -> None:
        """Connect, and let go again of an address inside before anything was said to it."""
        super().connect()
        if not _public(self.sock.getpeername()[0]):
            self.close()
            raise Refused(f"{self.host} has become a private address.")


class _Https(http.client.HTTPSConnection, _Http):
    """The order of the classes puts TLS after the look at the address."""


class _PublicHttp(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(http.client.HTTPConnection if request.has_proxy() else _Http, request)


class _PublicHttps(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(http.client.HTTPSConnection if request.has_proxy() else _Https, request)


def _email(message: Message, options: Mapping[str, Any]) -> None:
    mail = EmailMessage()
    mail["Subject"] = f"[{message.monitor}] {message.kind}".replace("\n", " ")
    mail["From"], mail["To"] = str(options.get("from", "drift@localhost")), str(options.get("to", ""))
    mail.set_content(message.text)
    try:
        with smtplib.SMTP(
            str(options.get("host", "localhost")), int(options.get("port", 25)), timeout=_SECONDS
        ) as smtp:
            smtp.send_message(mail)
    except (smtplib.SMTPException, OSError) as error:
        raise Unhealthy(f"The mail server did not take the alert: {error}.") from error


CHANNELS: dict[str, Channel] = {
    row.name: row
    for row in (
        Channel("log", "Program log", _log, {}),
        Channel(
            "webhook",
            "Webhook (JSON by POST)",
            _webhook,
            {"url": "address", "allow_private": "true for inside addresses"},
        ),
        Channel("email", "E-mail", _email, {"to": "address", "from": "address", "host": "mail server", "port": "25"}),
    )
}


def masked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they may be shown: whoever holds the address of a webhook may post to it, so only its host is left.

    Examples
    --------
    >>> masked({"url": "https://chat.example/hook/T0/s3cret", "allow_private": True, "token": "abc"})
    {'url': 'https://chat.example/…', 'allow_private': True, 'token': '…'}
    """
    shown = dict(options)
    for key, value in options.items():
        if key == "url":
            parts = urllib.parse.urlsplit(str(value))
            shown[key] = f"{parts.scheme}://{parts.hostname}/…" if parts.hostname else "…"
        elif any(word in key.lower() for word in _SECRET):
            shown[key] = "…"
    return shown


def masked_settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings (all, or assignments) with the secrets of their alerts masked."""
    rows = data.get("alerts")
    if not isinstance(rows, (list, tuple)):
        return {**data, **({"alerts": "…"} if rows is not None else {})}
    plain = [{**row, "options": masked(row.get("options") or {})} if isinstance(row, Mapping) else "…" for row in rows]
    return {**data, "alerts": plain}


def send(message: Message, channel: str, options: Mapping[str, Any]) -> None:
    """Send one message by a channel of the table.

    Raises
    ------
    Refused
        If there is no such channel, or its options cannot work.
    Unhealthy
        If the other side does not take it.
    """
    if channel not in CHANNELS:
        raise Refused(f"There is no alert channel {channel!r}. Channels: {', '.join(CHANNELS)}.")
    CHANNELS[channel].send(message, options)
