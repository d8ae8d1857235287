"""One process: the service, the jobs and the pages, on one address."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
import sys
from pathlib import Path

import waitress
from tqdm import tqdm

from dashboard.app import create_app
from dashboard.verbs import verbs
from pipeline import retrain
from pipeline.schedule import Schedule
from pipeline.service import Service
from storage.errors import Conflict, Refused

_PATIENCE = 40.0  # seconds for the demo's history; on a slow machine the rest of it happens before one's eyes
_BODY_LIMIT = 300_000_000  # bytes; the browser's own limit is lower


def serve(folder: Path, host: str, port: int, interval: float, demo: bool) -> int:
    """Serve until interrupted.

    Parameters
    ----------
    folder : Path
        The data folder.
    host, port : str, int
        Where to listen; loopback only.
    interval : float
        Seconds between two looks into the inbox, and between two days of the demo.
    demo : bool
        Whether an empty data folder is filled with the worked example, and its days go on.

    Raises
    ------
    Conflict
        If the folder or the port is taken.
    Refused
        For an address beyond this machine, or an interval that is not positive.
    """
    if interval <= 0:
        raise Refused(f"--interval must be a positive number of seconds, not {interval:g}.")
    _check_host(host)
    _quiet_logs()
    service = Service(folder)
    try:
        listener = _bind(host, port)
        retrain.prepare()  # scikit-learn is imported once, aside, before the first contest asks for it
        schedule = Schedule(service, min(interval, 1.0))
        if demo:
            _demo(service, schedule, interval)
        app = create_app(service)
        app.server.register_blueprint(verbs)
        url = f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{listener.getsockname()[1]}"
        service.access_token = secrets.token_urlsafe(32)
        service.store.hold.note(url=url, token=service.access_token)
        schedule.start()
        listener.listen()  # from here on a browser may knock; it is answered as soon as the server below runs
        print(
            f"The dashboard is at {url} (Ctrl+C stops it; everything is kept in {folder}/).",
            file=sys.stderr,
            flush=True,
        )
        try:
            waitress.serve(
                app.server, sockets=[listener], threads=8, max_request_body_size=_BODY_LIMIT, ident=None, _quiet=True
            )
        except KeyboardInterrupt:
            print("Stopping ...", file=sys.stderr, flush=True)
        finally:
            schedule.stop()
    finally:
        service.close()
    return 0


def _quiet_logs() -> None:
    """Our own warnings on stderr; what libraries say of their queues is shown on the Health page instead."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
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


def _check_host(host: str) -> None:
    try:
        inside = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise Refused(
            f"--host {host} would let others in, and there is no login yet. "
            "Use 127.0.0.1 and reach it through an SSH tunnel or a proxy that asks for a password."
        )


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
