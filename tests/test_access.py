"""Who may come in: every address and every callback refuses strangers, viewers act nowhere, other sites get nothing."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboard import ONLY_LOOKING
from dashboard.app import create_app
from dashboard.server import Reached
from dashboard.web.access import CALLBACKS, HEADERS, Door
from dashboard.web.login import Tries
from dashboard.web.verbs import verbs
from pipeline import accounts
from pipeline.service import Service
from storage import history
from storage.errors import Refused
from tests.tables import rows_csv

PASSWORD = "correct horse battery"
HTML = {"Accept": "text/html,application/xhtml+xml"}


@dataclass
class House:
    """A service with its application, an operator, a viewer and a token of each role."""

    service: Service
    app: Any
    tokens: dict[str, str]

    def client(self, user: str = "", **more: Any) -> Any:
        """A browser, signed in if a user is named."""
        client = self.app.server.test_client(**more)
        if user:
            done = client.post("/login", data={"name": user, "password": PASSWORD, "next": "/m/shop"})
            assert (done.status_code, done.headers["Location"]) == (303, "/m/shop")
        return client


def make(folder: Path) -> Service:
    service = Service(folder)
    service.init("shop", "r.csv", rows_csv(0, 120, labelled=True), "bought", id_column="id", estimator="linear")
    service.ingest("shop", "one.csv", rows_csv(1, 60))
    service.ingest("shop", "short.csv", b"id,age\n1,30\n")
    return service


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    service = make(tmp_path_factory.mktemp("access") / "data")
    hashed = accounts.hashed(PASSWORD)
    accounts.add_user(service.desk, "ann", "operator", hashed, "command")
    accounts.add_user(service.desk, "vic", "viewer", hashed, "command")
    tokens = {role: accounts.new_token() for role in accounts.ROLES}
    for role, token in tokens.items():
        accounts.add_token(service.desk, f"{role}-machine", role, accounts.digest(token), "command")
    app = create_app(service)
    app.server.register_blueprint(verbs)
    service.access_token = "handed over by a file"
    yield House(service, app, tokens)
    service.close()


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory) -> Iterator[House]:
    """Without any account: this machine's own people may do everything."""
    service = make(tmp_path_factory.mktemp("open") / "data")
    yield House(service, create_app(service), {})
    service.close()


def addresses(app: Any) -> list[tuple[str, str]]:
    """Every rule of the application with every method it takes, filled in."""
    found = []
    for rule in app.server.url_map.iter_rules():
        path = re.sub(
            r"<(?:int:)?(\w+)>", lambda part: {"batch_id": "2", "number": "1"}.get(part[1], "shop"), rule.rule
        )
        path = re.sub(r"<path:\w+>", "dash_core_components.js", path)
        found += [(method, path) for method in sorted(rule.methods - {"HEAD", "OPTIONS"})]
    return found


def callbacks(app: Any) -> list[str]:
    """Every callback that runs on the server."""
    app.server.test_client().get("/")  # pages and their callbacks are set up at the first request
    return [name for name, row in app.callback_map.items() if row.get("callback")]


def call(client: Any, app: Any, output: str, values: dict[str, Any] | None = None, **more: Any) -> Any:
    """Call a callback as the browser does, every input and state with an empty value or the one given."""
    row = app.callback_map[output]
    values = values or {}

    def filled(part: dict[str, str]) -> Any:
        key = f"{part['id']}.{part['property']}"
        many = part["id"].startswith("{") and "ALL" in part["id"]
        return [] if many and key not in values else {**part, "value": values.get(key)}

    parts = [part.strip(".") for part in output.split("...")]
    outputs = [dict(zip(("id", "property"), part.rsplit(".", 1), strict=True)) for part in parts]
    body = {
        "output": output, "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": [filled(part) for part in row["inputs"]], "state": [filled(part) for part in row["state"]],
        "changedPropIds": list(values)[:1],
    }  # fmt: skip
    return client.post(CALLBACKS, json=body, **more)


def content(client: Any, path: str) -> str:
    """A page as the browser asks for it."""
    where = [{"id": "_pages_location", "property": key, "value": value} for key, value in
             (("pathname", path), ("search", ""))]  # fmt: skip
    body = {
        "output": ".._pages_content.children..._pages_store.data..",
        "outputs": [{"id": "_pages_content", "property": "children"}, {"id": "_pages_store", "property": "data"}],
        "inputs": where, "state": [], "changedPropIds": ["_pages_location.pathname"],
    }  # fmt: skip
    client.get("/")
    answer = client.post(CALLBACKS, json=body)
    assert answer.status_code == 200, answer.text[:300]
    return answer.text.replace('": ', '":')


# --- strangers --------------------------------------------------------------------------------------------------------


def test_no_address_answers_a_stranger(house):
    found = addresses(house.app)
    assert len(found) > 20
    client = house.client()
    answers = {(method, path): client.open(path, method=method).status_code for method, path in found}
    assert answers.pop(("GET", "/healthz")) == 200
    assert set(answers.values()) == {401}, answers
    for path in ("/nowhere", "/assets/app.css", "/_dash-layout", "/_favicon.ico", "/health", "/static/first.js"):
        assert client.get(path).status_code == 401, path


def test_health_says_one_word_to_strangers_and_more_to_those_let_in(house):
    assert set(house.client().get("/healthz").json) == {"ok"}
    assert "failing_jobs" in house.client("vic").get("/healthz").json


def test_no_callback_answers_a_stranger(house):
    found = callbacks(house.app)
    assert len(found) > 20
    for output in found:
        answer = call(house.client(), house.app, output)
        assert answer.status_code == 401, output
        assert answer.json["error"].startswith("Sign in")


def test_a_stranger_with_a_browser_sees_the_form_and_nothing_else(house):
    answer = house.client().get("/m/shop/drift?range=7d", headers=HTML)
    assert answer.status_code == 401
    assert 'value="/m/shop/drift?range=7d"' in answer.text
    assert "shop" not in answer.text.replace("/m/shop/drift?range=7d", "")
    assert "<img" not in house.client().get('/"><img src=x onerror=alert(1)>', headers=HTML).text
    policy = answer.headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]


@pytest.mark.parametrize(
    "given", ["Bearer wrong", "Bearer ", "Bearer \xff", "Basic YW5uOmFubg==", "bearer", "x" * 5000]
)
def test_a_wrong_token_is_none(house, given):
    answer = house.client().get("/api/m/shop", headers={"Authorization": given})
    assert answer.status_code == 401


def test_from_the_first_account_on_nobody_comes_in_unnamed_and_beyond_never(tmp_path):
    service = make(tmp_path / "data")
    inside, beyond = create_app(service), create_app(service, Door(beyond=True))
    assert inside.server.test_client().get("/api/m/shop").status_code == 200
    assert beyond.server.test_client().get("/api/m/shop").status_code == 401
    accounts.add_user(service.desk, "ann", "viewer", accounts.hashed(PASSWORD), "command")
    assert inside.server.test_client().get("/api/m/shop").status_code == 401
    service.close()


# --- those let in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_both_roles_may_read_everything(house, role):
    machine = {"Authorization": f"Bearer {house.tokens[role]}"}
    user = house.client({"viewer": "vic", "operator": "ann"}[role])
    for method, path in addresses(house.app):
        if method == "GET" and path != "/healthz" and "component-suites" not in path:
            expected = {200} if path.startswith(("/api/m/", "/api/changes", "/m/")) else {200, 404}
            assert house.client().get(path, headers=machine).status_code in expected, path
            assert user.get(path).status_code in expected, path


def test_a_viewer_acts_nowhere(house):
    before = history.change_number(house.service.db)
    machine = {"Authorization": f"Bearer {house.tokens['viewer']}"}
    for method, path in addresses(house.app):
        if method == "GET" or path in (CALLBACKS, "/login", "/logout"):
            continue
        for answer in (
            house.client("vic").open(path, method=method, data=b"x"),
            house.client().open(path, method=method, data=b"x", headers=machine),
        ):
            assert (answer.status_code, answer.json["error"]) == (403, ONLY_LOOKING), path
    assert history.change_number(house.service.db) == before


def test_no_callback_changes_anything_for_a_viewer(house):
    """Every callback, with values that would make the acting ones act."""
    before = history.change_number(house.service.db)
    asked = {"verb": "retrain", "monitor": "shop", "argument": ""}
    file = {"name": "two.csv", "data": "aWQK"}
    values = {
        "verb-confirm.n_clicks": 1, "asked-verb.data": asked, "upload-ingest.n_clicks": 1, "upload-file.data": file,
        "upload-asked.data": {"monitor": "shop"}, "new-make.n_clicks": 1, "new-file.data": file, "new-name.value": "n",
        "new-target.value": "id", "settings-asked.data": {"monitor": "shop"}, "settings-save.n_clicks": 1,
    }  # fmt: skip
    client = house.client("vic")
    for output in callbacks(house.app):
        for trigger in [key for key in values if key.endswith("n_clicks")] or [""]:
            call(client, house.app, output, {trigger: 1, **values})
    assert history.change_number(house.service.db) == before
    (answered,) = [name for name in callbacks(house.app) if name.startswith("..verb-dialog.is_open@")]
    assert ONLY_LOOKING in call(client, house.app, answered, values).text
    assert ONLY_LOOKING not in call(house.client("ann"), house.app, answered, {}).text


def test_buttons_that_act_cannot_be_pressed_by_a_viewer(house):
    for user, shut in (("vic", True), ("ann", False)):
        text = content(house.client(user), "/m/shop/models")
        assert '"verb":"retrain"' in text
        assert ('"disabled":true' in text) == shut


def test_the_ledger_names_who_did_it(house):
    (answered,) = [name for name in callbacks(house.app) if name.startswith("..verb-dialog.is_open@")]
    asked = {"verb": "pin", "monitor": "shop", "argument": "1:on"}
    call(house.client("ann"), house.app, answered, {"verb-confirm.n_clicks": 1, "asked-verb.data": asked})
    assert history.events(house.service.db, kinds=("pin",), last=1)[0].author == "ann"
    machine = {"Authorization": f"Bearer {house.tokens['operator']}"}
    body = rows_csv(7, 40)
    done = house.client().post("/api/m/shop/batches?name=seven.csv", data=body, headers=machine)
    assert done.status_code == 202
    assert history.events(house.service.db, kinds=("received",), last=1)[0].author == "operator-machine (token)"


def test_the_command_line_s_way_in_is_not_for_tokens(house):
    for token, status in ((house.tokens["operator"], 401), (house.service.access_token, 404)):
        answer = house.client().post("/api/verbs/nothing", json={}, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_the_cookie_is_for_the_browser_alone(house):
    client = house.client()
    done = client.post("/login", data={"name": "ann", "password": PASSWORD})
    cookie = done.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    beyond = create_app(house.service, Door(beyond=True, proxied=True)).server.test_client()
    done = beyond.post("/login", data={"name": "ann", "password": PASSWORD}, base_url="https://localhost")
    assert re.match(r"__Host-drift-\w+=.*; Secure; HttpOnly; Path=/; SameSite=Lax", done.headers["Set-Cookie"])
    assert "Strict-Transport-Security" in done.headers


def test_the_key_is_private_and_kept(house, tmp_path):
    from storage.secret import secret_key

    path = house.service.desk.folder / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    cookie = house.client("ann").get_cookie(house.app.server.config["SESSION_COOKIE_NAME"])
    again = create_app(house.service).server.test_client()
    again.set_cookie(cookie.key, cookie.value)
    assert again.get("/api/m/shop").status_code == 200
    assert secret_key(tmp_path) != path.read_bytes()
    forged = create_app(make_empty(tmp_path)).server
    assert forged.config["SESSION_COOKIE_NAME"] != cookie.key


def make_empty(folder: Path) -> Service:
    return Service(folder)


def test_signing_out_ends_the_session_for_good(house):
    client = house.client("ann")
    kept = client.get_cookie(house.app.server.config["SESSION_COOKIE_NAME"])
    assert client.post("/logout").status_code == 303
    assert client.get("/api/m/shop").status_code == 401
    client.set_cookie(kept.key, kept.value)
    assert client.get("/api/m/shop").status_code == 401


def test_removing_a_user_or_changing_the_password_ends_the_sessions(house):
    desk = house.service.desk
    for change in (
        lambda: accounts.add_user(desk, "tom", "operator", accounts.hashed("another password"), "command"),
        lambda: accounts.remove(desk, "users", "tom", "command"),
    ):
        accounts.add_user(desk, "tom", "operator", accounts.hashed(PASSWORD), "command")
        client = house.client("tom")
        assert client.get("/api/m/shop").status_code == 200
        change()
        assert client.get("/api/m/shop").status_code == 401


@pytest.mark.parametrize(
    "way_back",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "", "/a\r\nX: y"],
)
def test_signing_in_leads_nowhere_else(house, way_back):
    done = house.client().post("/login", data={"name": "ann", "password": PASSWORD, "next": way_back})
    assert (done.status_code, done.headers["Location"]) == (303, "/")


def test_ten_wrong_tries_slow_down_and_are_told_once(tmp_path):
    service = make_empty(tmp_path / "data")
    accounts.add_user(service.desk, "ann", "operator", accounts.hashed(PASSWORD), "command")
    client = create_app(service).server.test_client()
    answers = [client.post("/login", data={"name": "ann", "password": f"wrong {at}"}) for at in range(13)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 3
    assert "Try again in" in answers[-1].text
    assert client.post("/login", data={"name": "ann", "password": PASSWORD}).status_code == 429
    told = history.events(service.db, kinds=("access",), level="warning")
    assert [event.message for event in told] == ["Too many wrong passwords for ann, from 127.0.0.1."]
    service.close()


def test_waits_double_and_are_forgotten():
    tries, waits, now = Tries(), [], 0.0
    for _ in range(20):
        wait = tries.begin({"ann": 10}, now)
        waits.append(wait)
        now += wait
    assert waits[:10] == [0.0] * 10
    assert [wait for wait in waits[10:] if wait] == [2.0, 4.0, 8.0, 16.0, 32.0]
    assert tries.begin({"ann": 10}, now + Tries.MEMORY + 1) == 0.0
    tries.right(["ann"])
    assert tries.begin({"ann": 10}, now) == 0.0
    for number in range(3 * Tries.MOST):
        tries.begin({f"name {number}": 10}, now)
    assert len(tries._wrong) <= Tries.MOST


def test_names_and_passwords_are_looked_at(house):
    for name in ("", "a b", "x" * 65, "-x", "a\nb", "schedule", "<b>"):
        with pytest.raises(Refused):
            accounts.add_user(house.service.desk, name, "viewer", accounts.hashed(PASSWORD), "command")
    with pytest.raises(Refused, match="role"):
        accounts.add_user(house.service.desk, "eve", "root", accounts.hashed(PASSWORD), "command")
    for password in ("", "short", "x" * 1001):
        with pytest.raises(Refused):
            accounts.hashed(password)


def test_no_secret_is_stored(house):
    kept = b"".join(path.read_bytes() for path in house.service.desk.folder.rglob("*") if path.is_file())
    for secret in (PASSWORD, *house.tokens.values()):
        assert secret.encode() not in kept
    assert b"scrypt:" in kept
    listed = json.dumps([accounts.listed(house.service.db, table) for table in ("users", "tokens")])
    assert "scrypt" not in listed
    assert stat.S_IMODE((house.service.desk.folder / "drift.db").stat().st_mode) == 0o600


# --- other sites ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://localhost:1"}],
)  # fmt: skip
def test_another_site_writes_nowhere(unguarded, headers):
    client = unguarded.client()
    for method, path in addresses(unguarded.app):
        if method != "GET" and not (headers == {"Origin": "null"} and path in ("/login", "/logout")):
            for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
                answer = client.open(path, method=method, data=b"{}", headers={**headers, "Content-Type": kind})
                assert answer.status_code == 403, path


def test_the_forms_of_the_login_come_without_an_origin(house):
    """A browser sends ``null`` from a page without referrer, and on plain HTTP no word of where it comes from."""
    form = {"name": "ann", "password": PASSWORD}
    for headers, status in (
        ({"Origin": "null"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
    ):
        assert house.client().post("/login", data=form, headers=headers).status_code == status


def test_another_site_reads_nothing_but_may_link(unguarded):
    client = unguarded.client()
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert client.get("/api/m/shop", headers={**cross, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert client.get("/m/shop", headers={**cross, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    answer = client.get("/api/m/shop", headers={"Origin": "http://evil.example"})
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.1.2.3", "[::2]", "", "a b", "127.0.0.1@evil"]
)
def test_a_foreign_name_is_not_answered(unguarded, host):
    for path in ("/", "/healthz", "/api/m/shop"):
        assert unguarded.client().get(path, headers={"Host": host}).status_code == 400


def test_names_that_were_allowed_are_answered():
    door = Reached(host="0.0.0.0", names=("Drift.Example",)).door
    assert [door.admits(host) for host in ("drift.example", "192.168.1.5", "localhost", "evil.example", None)] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert not Reached().door.beyond
    assert Reached(behind_proxy=True).door.beyond
    assert Reached(host="::").door.beyond


@pytest.mark.parametrize(
    "path", ["/", "/m/shop", "/api/m/shop", "/nowhere", "/healthz", "/assets/app.css", "/api/m/none"]
)
def test_every_answer_carries_the_headers(unguarded, house, path):
    for client in (unguarded.client(), house.client(), house.client("ann")):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy.replace("style-src 'self' 'unsafe-inline'", "")
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "Server" not in answer.headers


# --- what cannot be understood ----------------------------------------------------------------------------------------

DEEP = "[" * 100_000 + "]" * 100_000
BAD_CALLS = (
    '{"output":"nothing.children","outputs":[],"inputs":[]}', "[]", "1", "null", '"x"', "", "{", DEEP, "{}",
    '{"output": {"a": 1}}', '{"output":"verb-dialog.is_open"}', '{"output":"..verb-dialog.is_open@1.."}',
    '{"output":"_pages_content.children","inputs":[{"id":"x","property":"y","value":' + "[" * 99 + "]" * 99 + "}]}",
)  # fmt: skip


@pytest.mark.parametrize("body", BAD_CALLS, ids=range(len(BAD_CALLS)))
def test_a_call_of_no_callback_is_refused_in_a_sentence(unguarded, body):
    answer = unguarded.client().post(CALLBACKS, data=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 600
    assert re.fullmatch(r"[A-Z].*\.", answer.json["error"])
    for trace in ("Traceback", ".py", "site-packages", str(unguarded.service.desk.folder), "Error"):
        assert trace not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/m/none", 404), ("GET", "/api/m/shop/batches/999999", 404), ("DELETE", "/api/m/shop/batches", 405),
        ("GET", "/api/m/shop/batches?last=-1", 400), ("POST", "/api/m/shop/batches", 400), ("GET", "/api/nothing", 404),
        ("GET", "/api/m/shop/batches/99999999999999999999999", 404), ("PUT", "/api/m/none/batches?name=a.csv", 405),
        ("POST", "/api/m/shop/labels?name=a.csv", 400), ("GET", "/api/m/shop/versions/1.0/model", 404),
    ],
)  # fmt: skip
def test_the_api_refuses_in_sentences(unguarded, method, path, status):
    answer = unguarded.client().open(path, method=method)
    assert answer.status_code == status
    assert answer.json["error"].endswith(".")


def test_large_bodies_are_refused_before_they_are_read(unguarded):
    client = unguarded.client()
    for path, size in ((CALLBACKS, 80_000_000), ("/api/m/shop/batches?name=a.csv", 400_000_000), ("/login", 70_000)):
        answer = client.post(path, environ_overrides={"CONTENT_LENGTH": str(size)})
        assert answer.status_code == 413
        assert "run.py ingest" in answer.json["error"]


HOSTILE_PATHS = (
    "../../canary", "..%2f..%2fcanary", "%2e%2e/%2e%2e/canary", "....//canary", "/etc/passwd",
    "//proc/self/root/etc/passwd", "file:///etc/passwd", "..\\..\\canary", "canary%00.csv", "#/../canary", "CON.csv",
    "~root/canary", "%252e%252e%252fcanary", "a" * 4000,
)  # fmt: skip
READ_BY_PATH = (
    "/api/m/{}", "/api/m/shop/versions/{}/model", "/api/m/shop/batches/{}/predictions.csv", "/m/shop/batches/{}",
    "/assets/{}", "/static/{}", "/_dash-component-suites/dash/{}",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_PATHS)
def test_no_name_leads_out_of_the_data_folder(unguarded, name):
    folder = unguarded.service.desk.folder
    canary = folder.parent / "canary"
    canary.write_text("a secret of somebody else")
    outside = {path for path in folder.parent.rglob("*") if folder not in path.parents}
    client = unguarded.client()
    for pattern in READ_BY_PATH:
        answer = client.get(pattern.format(name))
        assert "secret of somebody" not in answer.text
        assert "root:" not in answer.text
    posted = client.post("/api/m/shop/batches", query_string={"name": name}, data=rows_csv(abs(hash(name)) % 1000, 10))
    assert posted.status_code in (200, 202)
    unguarded.service.work("shop")
    assert {path for path in folder.parent.rglob("*") if folder not in path.parents} == outside
    assert all(re.fullmatch(r"[0-9a-f]{64}", path.name) for path in (folder / "vault" / "spool").iterdir())
