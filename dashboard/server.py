"""One process: the service, the jobs and the pages, on one address."""

from __future__ import annotations

import gc
import ipaddress
import logging
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import waitress
from dash import Dash
from tqdm import tqdm

from dashboard.app import create_app
from dashboard.web.access import FILE_LIMIT, Door
from dashboard.web.verbs import verbs
from pipeline import apart
from pipeline.schedule import Schedule
from pipeline.service import Service
from storage import history, logs
from storage.errors import Conflict, Refused

_PATIENCE = 40.0  # seconds for the demo's history; on a slow machine the rest of it happens before one's eyes
_CONNECTIONS = 1000  # slow ones cost no thread, so that many of them hold up nobody
_PROXY = {
    "trusted_proxy": "127.0.0.1",
    "trusted_proxy_headers": {"x-forwarded-for"},
    "clear_untrusted_proxy_headers": True,
}


@dataclass(frozen=True)
class Reached:
    """How browsers reach the program.

    Attributes
    ----------
    host, port : str, int
        Where to listen. Beyond this machine only with credentials.
    names : tuple of str
        What browsers call it by, besides localhost and addresses.
    behind_proxy : bool
        A proxy on this machine speaks TLS with browsers: cookies are Secure, and the proxy is believed where it says
        from which address a request comes.
    """

    host: str = "127.0.0.1"
    port: int = 8050
    names: tuple[str, ...] = ()
    behind_proxy: bool = False

    @property
    def beyond(self) -> bool:
        """Whether others than this machine's own people can come in."""
        return bool(self.names) or self.behind_proxy or not _is_loopback(self.host)

    @property
    def door(self) -> Door:
        """What the application is told of it."""
        own = {self.host, socket.gethostname()} if self.beyond else set()
        return Door(frozenset(name.lower() for name in {*own, *self.names}), self.beyond, self.behind_proxy)


def serve(folder: Path, reached: Reached, interval: float, demo: bool, backup_hours: float = 24.0) -> int:
    """Serve until interrupted.

    Parameters
    ----------
    folder : Path
        The data folder.
    reached : Reached
        Where to listen, and for whom.
    interval : float
        Seconds between two looks into the inbox, and between two days of the demo.
    demo : bool
        Whether an empty data folder is filled with the worked example, and its days go on.
    backup_hours : float
        Hours between two backups; 0 makes none.

    Raises
    ------
    Conflict
        If the folder or the port is taken.
    Refused
        For an address beyond this machine without credentials, or an interval that is not positive.
    """
    if interval <= 0:
        raise Refused(f"--interval must be a positive number of seconds, not {interval:g}.")
    _quiet_logs()
    service = Service(folder)
    logs.keep(folder)
    try:
        _check_credentials(service, reached)
        listener = _bind(reached.host, reached.port)
        apart.prepare()  # scikit-learn is imported once, aside, before the first contest asks for it
        schedule = Schedule(service, min(interval, 1.0), backup_hours)
        if demo:
            _demo(service, schedule, interval)
        app = create_app(service, reached.door)
        app.server.register_blueprint(verbs)
        warm(app)
        port = listener.getsockname()[1]
        service.access_token = secrets.token_urlsafe(32)
        service.store.hold.note(url=f"http://{_own_name(reached.host)}:{port}", token=service.access_token)
        schedule.start()
        listener.listen()  # from here on a browser may knock; it is answered as soon as the server below runs
        _announce(reached, port, folder)
        try:
            waitress.serve(
                app.server, sockets=[listener], threads=8, max_request_body_size=FILE_LIMIT, ident=None, _quiet=True,
                connection_limit=_CONNECTIONS, asyncore_use_poll=True, **(_PROXY if reached.behind_proxy else {}),
            )  # fmt: skip
        except KeyboardInterrupt:
            print("Stopping ...", file=sys.stderr, flush=True)
        finally:
            schedule.stop()
    finally:
        service.close()
    return 0


def _announce(reached: Reached, port: int, folder: Path) -> None:
    shown = f"[{reached.host}]" if ":" in reached.host else reached.host
    url = f"http://{'localhost' if _is_loopback(reached.host) else shown}:{port}"
    print(f"The dashboard is at {url} (Ctrl+C stops it; everything is kept in {folder}/).", file=sys.stderr, flush=True)
    if not _is_loopback(reached.host):
        text = "Passwords travel in the clear on this network unless a proxy with TLS stands before this address."
        print(text, file=sys.stderr, flush=True)


def warm(app: Dash) -> None:
    """Make ready for the first request.

    Dash gathers its callbacks when it is asked for the first time, and a second question that comes while it does would
    be told of only some: so it is asked once before anybody else. What is loaded by then stays for good, and the
    garbage collector is told so: else it walks through all of it at every second page, which takes a tenth of a second.
    """
    app.server.test_client().get("/_dash-dependencies", base_url="http://localhost")
    gc.collect()
    gc.freeze()


def _quiet_logs() -> None:
    """What libraries say of their queues is shown on the Health page instead."""
    for name in ("waitress.queue", "apscheduler"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _demo(service: Service, schedule: Schedule, interval: float) -> None:
    """Fill an empty folder with the worked example; let its days go on where it is already there."""
    from seed_data import demo

    if not service.monitor_names():
        with tqdm(total=demo.HISTORY_DAYS, desc="The demo's history", unit="day", file=sys.stderr) as bar:
            demo.build(service, progress=bar.update, seconds=_PATIENCE)
    if demo.NAME in service.monitor_names():
        schedule.add("demo", lambda: demo.next_day(service), interval)


def _check_credentials(service: Service, reached: Reached) -> None:
    """Beyond this machine nobody is let in unnamed."""
    if reached.beyond and not history.has_accounts(service.db):
        raise Refused(
            f"--host {reached.host}{' --allow-host' if reached.names else ''} would let others in, and nobody has an "
            "account yet: add one first with 'run.py users add NAME --role operator'."
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_name(host: str) -> str:
    """What the command line on this machine calls it by."""
    if _is_loopback(host):
        return "localhost" if host in ("127.0.0.1", "::1") else host
    any_address = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # nosec B104 # a name is looked up; nothing listens
    return any_address.get(host, f"[{host}]" if ":" in host else host)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise Conflict(f"Port {port} on {host} cannot be used: {error}. Choose another with --port.") from error
    return listener
