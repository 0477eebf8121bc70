"""``serve`` for programs: what it answers in JSON, what it refuses, and its processes."""

import asyncio
import base64
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from fishsk import make_fish_pipeline
from fishsk.cli import build_parser, main
from fishsk.cli._screen import Screen
from fishsk.cli.commands.serve import _make_app
from fishsk.datasets import make_fish_images
from fishsk.persistence import load_pipeline
from fishsk.serve import Answers, _bodies, check_token, make_app, open_port
from fishsk.serve._batches import Batches

pytest.importorskip("uvicorn", reason="needs Starlette and uvicorn (pip install 'fishsk[serve]')")
TOKEN = "a-token-of-enough-letters"
LOCAL = {"Host": "127.0.0.1:8000"}


@pytest.fixture(scope="module")
def pipeline(model):
    return load_pipeline(model)


@pytest.fixture(scope="module")
def paths(photos):
    return sorted(map(str, photos.rglob("*.png")))


@pytest.fixture(scope="module")
def answers(pipeline, paths):
    return Answers(pipeline, train=paths, min_probability=0.9)


@pytest.fixture(scope="module")
def app(answers):
    return make_app(answers)


def ask(app, path="/predict", body=b"", *, method="POST", **headers):
    """Return the status, the JSON and the headers of an answer of an ASGI application."""
    sent = {**LOCAL, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "http_version": "1.1"}
    scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    found = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        found.append(message)

    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in found[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in found[1:])
    return found[0]["status"], json.loads(content) if "json" in headers["content-type"] else content, headers


def make_form(*files, boundary="--x--"):
    """Return a form as programs send it, and its type."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="images"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f'multipart/form-data; boundary="{boundary}"'


def read(path):
    return Path(path).read_bytes()


def to_png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "kind", ["image/png", "application/octet-stream", "", "application/x-www-form-urlencoded"]
)
def test_an_image_is_answered_as_the_pipeline_does(app, pipeline, paths, kind):
    status, found, _ = ask(app, body=read(paths[0]), Content_Type=kind)
    (image,) = found["images"]
    proba = pipeline.predict_proba([paths[0]])[0]
    assert status == 200
    assert image["class"] == pipeline.predict([paths[0]])[0]
    assert list(image["probabilities"]) == pipeline.classes_.tolist()
    np.testing.assert_allclose([*image["probabilities"].values()], proba, rtol=0, atol=1e-6)
    assert image["probability"] == image["probabilities"][image["class"]]
    assert (image["unsure"], image["unfamiliar"]) == (bool(proba.max() < 0.9), False)
    assert 0 < found["seconds"] < 60


def test_several_images_are_answered_in_their_order_and_a_bad_one_has_its_own_error(app, pipeline, paths):
    noise = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
    files = [
        ("a.png", read(paths[0])),
        ("b.txt", b"no\r\n--image"),
        ("c.png", read(paths[-1])),
        ("", to_png(noise)),
    ]
    body, kind = make_form(*files)
    status, found, _ = ask(app, body=body, Content_Type=kind)
    first, bad, last, strange = found["images"]
    assert status == 200
    assert [each["name"] for each in found["images"]] == ["a.png", "b.txt", "c.png", "images"]
    assert [first["class"], last["class"]] == pipeline.predict([paths[0], paths[-1]]).tolist()
    assert bad["error"].startswith("The image is no readable image (")
    assert strange["unfamiliar"]


def test_no_image_is_an_error_in_json(app):
    status, found, headers = ask(app, body=b"no image")
    assert status == 422
    assert found["error"] == found["images"][0]["error"]
    assert headers["cache-control"] == "no-store"


def test_the_name_of_a_file_is_not_opened(app, paths):
    status, found, _ = ask(app, body=paths[0].encode())
    assert status == 422
    assert paths[0] not in json.dumps(found)


def test_requests_beyond_the_limits_are_refused(app, paths, monkeypatch):
    body, kind = make_form(*[("a.png", b"x")] * 257)
    assert ask(app, body=body, Content_Type=kind)[0] == 400
    assert ask(app, body=body[:-9], Content_Type=kind)[0] == 400  # it was cut
    assert ask(app, body=b"{}", Content_Type="application/json")[0] == 415
    assert ask(app, Content_Length="25000001")[0] == 413
    assert ask(app, Content_Length="100000001", Content_Type=kind)[0] == 413
    monkeypatch.setattr(_bodies, "_MAX_HELD", 100)
    status, _, headers = ask(app, body=read(paths[0]))
    assert (status, headers["retry-after"]) == (503, "1")
    assert ask(app, body=b"short")[0] == 422  # nothing is held any more


def test_a_request_that_is_not_sent_is_given_up(app, monkeypatch):
    monkeypatch.setattr(_bodies, "_SECONDS", 0.01)

    async def receive():
        await asyncio.sleep(60)

    sent = []
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "http_version": "1.1"}
    scope["headers"] = [(b"host", b"localhost")]

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408


def check(value, schema, schemas):
    """Check a value by as much of JSON Schema as descriptions of the service hold."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix("#/components/schemas/")]
    if "anyOf" in schema:
        errors = []
        for each in schema["anyOf"]:
            with contextlib.suppress(AssertionError):
                return check(value, each, schemas)
            errors.append(each)
        raise AssertionError((value, errors))
    kinds = {"object": dict, "array": list, "string": str, "number": float, "integer": int, "boolean": bool}
    kinds["null"] = type(None)
    if "type" in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert isinstance(value, tuple(kinds[name] for name in named)), (value, schema)
    assert value in schema.get("enum", [value])
    assert value == schema.get("const", value)
    if isinstance(value, float):
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if isinstance(value, list):
        for each in value:
            check(each, schema["items"], schemas)
    if isinstance(value, dict):
        assert value.keys() == set(schema["required"]) == schema["properties"].keys()
        for name, each in value.items():
            check(each, schema["properties"][name], schemas)
    return None


@pytest.mark.parametrize("kind", ["classes", "scores", "numbers", "tags"])
def test_the_description_has_all_routes_and_answers_are_as_it_says(kind, answers, paths):
    if kind != "classes":
        X, y = make_fish_images(60, random_state=0)
        head = {"numbers": Ridge(), "scores": SVC(), "tags": KNeighborsClassifier()}[kind]
        y = np.eye(5, dtype=int)[y] if kind == "tags" else y
        answers = Answers(make_fish_pipeline(head=head, weights="cifar95").fit(X, y))
    app = make_app(answers)
    status, description, _ = ask(app, "/openapi.json", method="GET")
    schemas = description["components"]["schemas"]
    routes = {route.path: route.methods - {"HEAD"} for route in app.routes if route.include_in_schema}
    assert routes == {path: {*map(str.upper, each)} for path, each in description["paths"].items()}
    body, form = make_form(("a.png", read(paths[0])), ("b.png", b"none"))
    requests = [
        ("/predict", {"body": read(paths[0])}, 200),
        ("/predict", {"body": body, "Content_Type": form}, 200),
        ("/predict", {"body": b"no image"}, 422),
        ("/predict", {"Content_Length": "25000001"}, 413),
        ("/predict", {"Content_Type": "text/plain"}, 415),
        ("/predict", {"Host": "evil.example"}, 400),
        ("/predict", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("/health", {"method": "GET"}, 200),
    ]
    for path, request, expected in requests:
        status, found, _ = ask(app, path, **request)
        assert status == expected
        (operation,) = description["paths"][path].values()
        check(found, operation["responses"][str(status)]["content"]["application/json"]["schema"], schemas)


def test_what_nobody_serves_is_an_error_in_json(app):
    assert ask(app, "/nowhere", method="GET")[:2] == (404, {"error": "Not Found"})
    assert ask(app, method="GET")[0] == 405


def test_a_token_guards_all_but_health(answers):
    app = make_app(answers, token=TOKEN)
    password = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    for path in ("/", "/openapi.json"):
        status, _, headers = ask(app, path, method="GET")
        assert (status, headers["www-authenticate"]) == (401, 'Bearer, Basic realm="fishsk"')
        for wrong in (f"Bearer {TOKEN}x", "Bearer ", "Basic !", f"Digest {TOKEN}", TOKEN, "Bearer \xe4"):
            assert ask(app, path, method="GET", Authorization=wrong)[0] == 401
        for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {password}"):
            assert ask(app, path, method="GET", Authorization=right, Host="fish.example")[0] == 200
    assert ask(app, "/health", method="GET")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_other_machines_are_not_listened_to_without_a_token(host, model, monkeypatch, capsys):
    assert check_token(TOKEN, host) == TOKEN
    for token in (None, ""):
        with pytest.raises(ValueError, match=r"must send a token\. Set FISHSK_TOKEN"):
            check_token(token, host)
    monkeypatch.delenv("FISHSK_TOKEN", raising=False)
    assert main(["serve", str(model), "--host", host]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("token", ["short", "two words of some length", "ä" * 20])
def test_a_token_that_cannot_be_sent_or_could_be_guessed_is_refused(token):
    with pytest.raises(ValueError, match="at least 16 letters"):
        check_token(token, "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_needs_no_token(host):
    assert check_token(None, host) is None


def test_an_address_of_another_machine_is_an_error_that_names_it():
    with pytest.raises(OSError, match=r"of 192\.0\.2\.1 cannot be used"):
        open_port(0, "192.0.2.1")


def test_what_waits_is_answered_together_and_nothing_waits_for_more():
    batches, begun, may_go = [], threading.Event(), threading.Event()

    def answer(things):
        batches.append(list(things))
        begun.set()
        assert may_go.wait(60)
        return [10 * thing for thing in things]

    asked = Batches(answer, most=4)
    futures = [asked.submit(0)]
    assert begun.wait(60)  # nobody waited for others
    futures += [asked.submit(number) for number in range(1, 8)]
    futures.pop(3).cancel()
    may_go.set()
    assert [each.result(60) for each in futures] == [0, 10, 20, 40, 50, 60, 70]
    assert batches == [[0], [1, 2, 4], [5, 6, 7]]


def test_an_error_reaches_those_who_asked_and_the_next_are_answered():
    asked = Batches(lambda things: [1 // thing for thing in things])
    with pytest.raises(ZeroDivisionError):
        asked.submit(0).result(60)
    assert asked.submit(1).result(60) == 1


def test_nothing_is_kept_of_what_is_sent(model, rng):
    command = build_parser().parse_args(["serve", str(model)])
    command.token = None
    app = _make_app(command, Screen(as_json=True))
    before = list_files(os.environ["FISHSK_CACHE"])
    assert ask(app, body=to_png(rng.integers(256, size=(32, 32, 3), dtype=np.uint8)))[0] == 200
    assert list_files(os.environ["FISHSK_CACHE"]) == before


def list_files(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@contextlib.contextmanager
def serving(*arguments, **environment):
    """Yield the process of a service, and its address; in the end it must stop in peace."""
    command = [sys.executable, "-m", "fishsk", "serve", *map(str, arguments), "--port", "0", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ) as process:
        text = "".join(iter(process.stdout.readline, "}\n")) + "}"
        yield process, json.loads(text)["url"]
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def post(url, body, token):
    request = urllib.request.Request(f"{url}predict", body, {"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["images"][0]["class"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes as Linux shows them")
def test_processes_share_the_work_and_one_that_is_killed_is_replaced(model, pipeline, paths):
    with serving(model, "--workers", 2, FISHSK_TOKEN=TOKEN) as (process, url):
        expected = pipeline.predict([paths[0]])[0]
        assert {post(url, read(paths[0]), TOKEN) for _ in range(10)} == {expected}
        first = find_workers(process)
        assert len(first) == 2
        os.kill(int(min(first)), signal.SIGKILL)
        end = time.monotonic() + 120
        while len(find_workers(process)) < 2 or find_workers(process) == first:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert post(url, read(paths[0]), TOKEN) == expected


def find_workers(process):
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {each for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()}


def test_a_process_that_cannot_begin_says_why(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "none.fishsk"), "--workers", "2", "--port", "0"]) == 1
    assert re.fullmatch(r"fishsk: error: .*No such file.*none\.fishsk'.*\n", capsys.readouterr().err)
    assert main(["serve", "none.fishsk", "--workers", "0"]) == 1
    assert "--workers must be at least 1. Got 0." in capsys.readouterr().err


def test_answers_do_not_wait_for_the_client_to_confirm_their_first_packet():
    with open_port(0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
