"""The page of ``serve``: a real process, asked over HTTP and by a real browser."""

import http.client
import io
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.svm import SVC

from fishsk import make_fish_pipeline
from fishsk.cli import main
from fishsk.datasets import make_fish_images
from fishsk.persistence import load_pipeline
from fishsk.serve import Answers, open_port

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright (pip install playwright)")
pytest.importorskip("uvicorn", reason="needs Starlette and uvicorn (pip install 'fishsk[serve]')")
CHROMIUM = shutil.which("chromium")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
BYTES = "application/octet-stream"


@pytest.fixture(scope="module")
def pipeline(model):
    return load_pipeline(model)


@pytest.fixture(scope="module")
def page(model, photos, tmp_path_factory):
    """Return the address of a running server; in the end it must stop in peace."""
    named = shutil.copy(model, tmp_path_factory.mktemp("model") / "<b>fish.fishsk")
    command = [sys.executable, "-m", "fishsk", "serve", named, "--train", str(photos), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = next(line for line in process.stdout if line.startswith("Page:")).split()[1]
        ask(address, "/explanation", make_png())  # the first one loads TensorFlow
        yield address
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, page):
    """Return the page in a browser; in the end it must have been silent, and have asked nobody else."""
    messages, requests = [], []
    context = browser.new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("dialog", lambda dialog: messages.append(dialog.message))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page)
    yield tab
    context.close()
    # Chromium itself reports answers that refuse.
    assert [text for text in messages if not text.startswith("Failed to load resource")] == []
    assert [url for url in requests if not url.startswith((page, "data:"))] == []


def make_png(image=None):
    file = io.BytesIO()
    Image.fromarray(draw() if image is None else image).save(file, "PNG")
    return file.getvalue()


def draw():
    return make_fish_images(1, random_state=1)[0][0]


def ask(page, path, body=None, *, method="POST", **headers):
    sent = {"Content-Type": BYTES} | {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(urlsplit(page).netloc, timeout=250)) as connection:
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers


def drop(tab, name, content):
    """Drop a file of some bytes, or of a number of zeros, on the page, as a hand does."""
    transfer = tab.evaluate_handle(
        """([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name));
            return transfer;
        }""",
        [name, content if isinstance(content, int) else list(content)],
    )
    tab.dispatch_event("body", "drop", {"dataTransfer": transfer})


@in_browser
def test_a_dropped_image_shows_classes_map_and_the_training_images_most_like_it(tab, photos):
    first = next(photos.glob("trout/*.png"))
    drop(tab, "mine.png", first.read_bytes())
    tab.wait_for_selector(".explanation select")
    assert tab.get_by_role("heading", name="mine.png").count() == 1
    shares = [float(text.split()[0]) for text in tab.locator(".bars .number").all_inner_texts()]
    assert len(shares) == 5
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert tab.locator(".cards li").first.inner_text().split() == ["trout", first.name]
    assert tab.get_by_role("img", name="Heat map").count() == 1
    assert tab.locator("#status").inner_text().startswith("mine.png: ")


@in_browser
def test_why_one_class_and_not_another_can_be_asked(tab):
    tab.set_input_files("#files", {"name": "a.png", "mimeType": "image/png", "buffer": make_png()})
    before = tab.get_by_role("img", name="Heat map").get_attribute("src")
    tab.get_by_label("Why").select_option("ray")
    tab.get_by_role("img", name="speaks for ray").wait_for()
    tab.get_by_label("and not").select_option("shark")
    tab.get_by_text("blue for shark").wait_for()
    assert tab.get_by_role("img", name="Heat map").get_attribute("src") != before
    assert tab.evaluate("document.activeElement.name") == "against"


@in_browser
def test_files_are_answered_in_their_order_and_bad_ones_say_why(tab):
    files = [
        {"name": "<i>one.png", "mimeType": "image/png", "buffer": make_png()},
        {"name": "two.png", "mimeType": "image/png", "buffer": b"no image"},
    ]
    tab.set_input_files("#files", files)
    tab.get_by_text("The image is no readable image").last.wait_for()
    assert tab.locator("article h2").all_inner_texts() == ["<i>one.png", "two.png"]
    assert tab.locator("article").first.locator("select").count() == 2


@in_browser
def test_the_page_is_accessible_and_fits_a_phone(tab):
    tab.set_input_files("#files", {"name": "a.png", "mimeType": "image/png", "buffer": make_png()})
    tab.wait_for_selector(".explanation select")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert Axe().run(tab).response["violations"] == []


@in_browser
def test_a_file_that_is_too_large_is_not_sent(tab):
    largest = int(tab.locator("#files").get_attribute("data-max-bytes"))
    drop(tab, "large.png", largest + 1)
    tab.get_by_text(f"more than {largest:,}").last.wait_for()


def test_what_is_too_large_is_refused_before_it_is_read(page):
    status, text, _ = ask(page, "/prediction", Content_Length="25000001")
    assert (status, text) == (413, "A request must have at most 25,000,000 bytes here.")


def test_what_is_too_large_is_refused_without_its_length(page):
    chunks = (bytes(2**20) for _ in range(30))
    with pytest.raises((AssertionError, OSError)):  # it answers, or hangs up, before all of it was sent
        assert ask(page, "/prediction", chunks)[0] != 413


def test_too_many_pixels_are_refused(page):
    header = make_png(np.zeros((1, 1), np.uint8))
    bomb = header[:16] + (10**5).to_bytes(4, "big") * 2 + header[24:]
    status, text, _ = ask(page, "/prediction", bomb)
    assert status == 422
    assert "image" in text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example"])
def test_a_foreign_name_for_this_machine_is_refused(page, host):
    assert ask(page, "/", method="GET", Host=host)[0] == 400


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "image/png"])
def test_what_a_form_of_another_site_could_send_is_refused(page, kind):
    assert ask(page, "/prediction", make_png(), Content_Type=kind)[0] == 415


def test_an_unknown_class_is_refused(page):
    status, text, _ = ask(page, f"/explanation?target={quote('<b>')}", make_png())
    assert status == 422
    assert text.startswith("There must be one of the classes")


def test_answers_may_not_be_framed_stored_or_taken_for_something_else(page):
    for path, body, method in (("/", None, "GET"), ("/prediction", make_png(), "POST")):
        status, text, headers = ask(page, path, body, method=method)
        assert status == 200
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert "http://" not in text
        assert "https://" not in text
        assert "<b>fish" not in text


def test_a_classifier_without_probabilities_is_explained_by_occlusion():
    X, y = make_fish_images(60, random_state=0)
    answers = Answers(make_fish_pipeline(head=SVC(), weights="cifar95").fit(X, y))
    found = answers.predict(make_png())
    assert found["probability"] is None
    assert found["predicted"] in set(map(str, y))
    assert answers.explain(make_png(), target="1", against="2")["method"] == "occlusion"


def test_without_tensorflow_maps_are_made_by_occlusion(pipeline, monkeypatch):
    monkeypatch.setattr("fishsk.serve._answers.find_version", lambda name: None)
    assert Answers(pipeline).explain(make_png())["method"] == "occlusion"


def test_a_number_is_shown_and_explained():
    X, y = make_fish_images(60, random_state=0)
    pipeline = make_fish_pipeline(head=Ridge(), weights="cifar95").fit(X, 10.0 * y)
    answers = Answers(pipeline)
    found = answers.predict(make_png())
    assert found["is_number"]
    assert float(found["predicted"]) == pytest.approx(pipeline.predict([draw()])[0], rel=1e-3)
    assert answers.explain(make_png())["names"] == []


def test_a_model_of_several_numbers_is_refused_before_it_serves():
    X, y = make_fish_images(60, random_state=0)
    pipeline = make_fish_pipeline(head=Ridge(), weights="cifar95").fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match=r"one label or one number for each image\. Got shape \(1, 2\)"):
        Answers(pipeline)


def test_a_model_of_tags_says_those_of_an_image_and_has_no_maps():
    X, y = make_fish_images(40, random_state=0)
    tags = np.column_stack([y < 3, y > 1]).astype(int)
    forest = RandomForestClassifier(10, random_state=0)
    pipeline = make_fish_pipeline(head=forest, weights="cifar95").fit(X, tags)
    found = (answers := Answers(pipeline)).predict(make_png(X[0]))
    expected = [str(tag) for tag in np.flatnonzero(pipeline.predict(X[:1])[0])]
    assert found["predicted"] == ", ".join(expected)
    assert found["probability"] is None
    assert {row["name"] for row in found["classes"]} == {"0", "1"}
    (told,) = answers.classify([make_png(X[0])])
    assert told["tags"] == expected
    assert [*told["probabilities"]] == ["0", "1"]
    with pytest.raises(ValueError, match="no maps of tags"):
        answers.explain(make_png(X[0]))


def test_an_improbable_class_is_unsure_and_a_strange_image_unfamiliar(pipeline, photos):
    train = sorted(map(str, photos.rglob("*.png")))
    answers = Answers(pipeline, train=train, min_probability=1.0)
    noise = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
    found = answers.predict(make_png(noise))
    assert found["is_unsure"]
    assert found["similar"]["is_unfamiliar"]
    with open(train[0], "rb") as file:
        assert not answers.predict(file.read())["similar"]["is_unfamiliar"]


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do():
    with open_port(0) as taken, pytest.raises(OSError, match="Pass another, or 0"):
        open_port(taken.getsockname()[1])


def test_only_this_machine_can_reach_it():
    with open_port(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_without_its_extra_the_command_says_what_to_install(model, monkeypatch, capsys):
    monkeypatch.setattr("fishsk.cli.commands.serve.find_spec", lambda name: None)
    assert main(["serve", str(model)]) == 1
    assert "python -m pip install starlette uvicorn" in capsys.readouterr().err
