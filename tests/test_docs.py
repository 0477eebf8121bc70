"""The examples in docstrings and in the pages of docs/ do what they show."""

import doctest
import importlib
import pkgutil
import re
import runpy
import subprocess
import sys
import textwrap
import threading
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import fishsk

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def find_docstrings():
    """Return the docstrings of all modules that hold examples, by the names of what they document."""
    modules = [info.name for info in pkgutil.walk_packages(fishsk.__path__, "fishsk.")]
    finder = doctest.DocTestFinder(exclude_empty=True)
    return {
        test.name: test
        for name in modules
        if name != "fishsk.__main__"
        for test in finder.find(importlib.import_module(name))
        if test.examples
    }


DOCSTRINGS = find_docstrings()
TEXTS = [path for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.rst")] if path.name != "CHANGES.md"]
PAGES = [page for page in sorted(DOCS.rglob("*.rst")) if ">>>" in page.read_text(encoding="utf-8")]


def find_named_files(text):
    """Return what a text names in ``code`` that looks like a file or folder of the repository."""
    folders = "src|tests|docs|tools|benchmarks|examples"
    return re.findall(rf"(?<!`)`{{1,2}}((?:{folders})/[\w./-]*)`{{1,2}}(?!`)", text)


@pytest.fixture(autouse=True)
def own_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


def run(test):
    report = []
    failed = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append).failed
    assert not failed, "".join(report)


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_docstrings(name):
    run(DOCSTRINGS[name])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages(page):
    text = page.read_text(encoding="utf-8")
    run(doctest.DocTestParser().get_doctest(text, {}, page.stem, str(page), 0))


def test_the_programs_of_getting_started_run_on_files_of_any_kind(tmp_path, capsys):
    X, y = fishsk.datasets.make_fish_images(120, random_state=0)
    for index, (image, label) in enumerate(zip(X, y, strict=True)):
        suffix = ("jpg", "png", "PNG")[index % 3]
        for path in (tmp_path / f"photos/{label}/{index}.{suffix}", tmp_path / f"unknown/{index}.{suffix}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    page = (DOCS / "getting_started.rst").read_text(encoding="utf-8")
    for name in ("train.py", "use.py"):
        code = re.search(rf":caption: {name}\n\n((?: {{3}}.*\n|\n)+)", page)[1]
        (tmp_path / name).write_text(textwrap.dedent(code), encoding="utf-8")
        runpy.run_path(str(tmp_path / name), run_name="__main__")
    assert len(re.findall(r"^unknown/\d+\.(?:jpg|png|PNG) \d$", capsys.readouterr().out, re.MULTILINE)) == 120


@pytest.mark.parametrize("extra", ["pandas", "dask"])
def test_pages_that_need_an_extra_say_how_to_install_it(extra):
    for path in [*DOCS.rglob("*.rst"), *(ROOT / "examples").glob("*.py"), *(ROOT / "tutorial").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if re.search(rf"^\W*(?:import {extra}|from {extra})\b|transform=\"{extra}\"", text, re.MULTILINE):
            assert re.search(rf"pip install .*{extra}|/user_guide/scaling", text), path.name


def find_programs(page):
    """Return the programs of a page by their captions."""
    text = (DOCS / page).read_text(encoding="utf-8")
    pattern = r"^( *)\.\. code-block:: python\n +:caption: (.*)\n\n((?:\1 {3}.*\n|\n)+)"
    return {match[2]: textwrap.dedent(match[3]) for match in re.finditer(pattern, text, re.MULTILINE)}


SIDES = [name for name in find_programs("coming_from.rst") if name != "the data" and "not run" not in name]


@pytest.mark.filterwarnings("ignore")  # of the other libraries
@pytest.mark.parametrize("caption", SIDES)
def test_both_sides_of_coming_from_run(caption):
    programs = find_programs("coming_from.rst")
    for module in re.findall(r"^(?:import|from) (torch|skorch)", programs[caption], re.MULTILINE):
        pytest.importorskip(module)
    namespace = {}
    exec(programs["the data"], namespace)
    exec(programs[caption].replace('weights="imagenet"', "weights=None"), namespace)  # not downloaded here
    assert 0 <= namespace["accuracy"] <= 1


def test_the_program_of_the_service_asks_and_is_answered(tmp_path):
    uvicorn = pytest.importorskip("uvicorn")
    from fishsk.serve import Answers, make_app, open_port

    namespace = {}
    exec(find_programs("how_to/service.rst")["ask.py"], namespace)
    X, y = fishsk.datasets.make_fish_images(60, random_state=0)
    pipeline = fishsk.make_fish_pipeline(weights="cifar95", random_state=0, head__epochs=3).fit(X, y)
    for index in range(2):
        Image.fromarray(X[index]).save(tmp_path / f"{index}.png")
    (tmp_path / "2.png").write_bytes(b"no image")
    config = uvicorn.Config(make_app(Answers(pipeline), token=16 * "x"), log_level="error", lifespan="off")
    server, listening = uvicorn.Server(config), open_port(0)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()

    def ask(*names):
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        return namespace["ask"]([tmp_path / name for name in names], url=url, token=16 * "x")

    found = ask("0.png", "2.png", "1.png")
    assert [each.get("class") for each in found] == [
        str(label) if label is not None else None
        for label in (pipeline.predict(X[:1])[0], None, pipeline.predict(X[1:2])[0])
    ]
    with pytest.raises(ValueError, match="no readable image"):
        ask("2.png")
    server.should_exit = True
    thread.join(60)


def save_photographs(folder, n_samples):
    """Write drawn fish into a folder of one folder for each class, and return their files and classes."""
    X, y = fishsk.datasets.make_fish_images(n_samples, random_state=0)
    labels = np.array(fishsk.datasets.FISH_NAMES)[y].tolist()
    paths = [folder / label / f"{index}.png" for index, label in enumerate(labels)]
    for image, path in zip(X, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return paths, labels


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(1200)
def test_the_programs_of_mlflow_log_a_model_that_answers_as_the_pipeline(tmp_path):
    # An environment that uv has filled has no pip.
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "pip"], check=True)
    python = tmp_path / "pip" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--target", tmp_path / "extra"]
    subprocess.run([*install, "mlflow-skinny"], check=True)
    paths, _ = save_photographs(tmp_path / "photos", 60)
    for name, code in find_programs("how_to/mlflow.rst").items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    # Behind all others: what fishsk's own libraries need comes first.
    start = "import runpy, sys; sys.path += ['extra', '.']; del sys.argv[0]; runpy.run_path(sys.argv[0])"

    def run(*arguments):
        command = [sys.executable, "-c", start, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    logged = run("log.py")[-1]
    shown = run("use.py", logged, *paths[:3])[-3:]
    pipeline = fishsk.load_pipeline("fish.fishsk")
    assert [line.split()[1] for line in shown] == pipeline.predict([*map(str, paths[:3])]).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["submit.py", "labels.py"])
def test_the_program_for_kaggle_fills_in_the_sample_submission(tmp_path, ending):
    pd = pytest.importorskip("pandas")
    paths, labels = save_photographs(tmp_path / "photos", 80)
    for path, folder in zip(paths, ["train"] * 60 + ["test"] * 20, strict=True):
        (tmp_path / folder).mkdir(exist_ok=True)
        path.rename(tmp_path / folder / path.name)
    names = [path.name for path in paths]
    pd.DataFrame({"image_id": names[:60], "label": labels[:60]}).to_csv("train.csv", index=False)
    sample = pd.DataFrame({"image_id": names[60:]} | dict.fromkeys(sorted(set(labels), reverse=True), 0.2))
    sample.to_csv("sample_submission.csv", index=False)
    programs = find_programs("how_to/kaggle.rst")
    program = programs["submit.py"].replace("/kaggle/input/fish", str(tmp_path))
    namespace = {}
    exec(program.replace('["EfficientNetLite0", "vgg16.cifar95"]', '"vgg16.cifar95"'), namespace)
    exec("" if ending == "submit.py" else programs[ending], namespace)
    found = pd.read_csv("submission.csv")
    assert found["image_id"].tolist() == names[60:]
    expected = namespace["pipeline"].predict(namespace["X_test"])
    probabilities = found[sample.columns[1:]]
    if ending == "submit.py":
        assert probabilities.idxmax(axis=1).tolist() == expected.tolist()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    else:
        assert found["label"].tolist() == expected.tolist()


def test_the_project_lives_where_pyproject_says():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    for path in [*ROOT.glob("*.md"), ROOT / "CITATION.cff"]:
        text = path.read_text(encoding="utf-8")
        for address in re.findall(r"https://(?:github\.com/fishsk|fishsk\.)[^\s)>]*", text):
            assert address in urls.values(), (path.name, address)
    assert urls["Issues"] in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert urls["Issues"] in (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_every_public_name_shows_an_example():
    public = [getattr(fishsk, name) for name in fishsk.__all__ if name != "datasets"]
    public += [getattr(fishsk.datasets, name) for name in fishsk.datasets.__all__]
    assert {f"{thing.__module__}.{thing.__name__}" for thing in public} <= set(DOCSTRINGS)


@pytest.mark.parametrize(
    "path", [path for path in TEXTS if path.name != "CHANGES.md"], ids=lambda path: path.name
)
def test_files_that_a_page_names_exist(path):
    named = find_named_files(path.read_text(encoding="utf-8"))
    built = ("docs/_build", "docs/auto_examples", "docs/auto_tutorial")
    assert [name for name in named if not name.startswith(built) and not (ROOT / name).exists()] == []


def test_contributing_draws_the_rooms_as_the_contract_has_them():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract = next(each for each in tools["importlinter"]["contracts"] if each["id"] == "rooms")
    drawing = re.search(
        r"```text\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL
    )
    rooms = [re.split(r" {2,}", line)[0].strip() for line in drawing[1].splitlines()]
    assert rooms == contract["layers"]


def test_the_installation_page_says_what_each_dependency_is_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]
    page = (DOCS / "installation.rst").read_text(encoding="utf-8").partition(".. dependency-table::")[2]
    assert re.findall(r"^   ([\w-]+): ", page, re.MULTILINE) == needed


@pytest.fixture
def check_links(tmp_path):
    """Return a function that checks a site of one page, with what `docs/check_links.py` finds in it."""
    functions = runpy.run_path(str(DOCS / "check_links.py"))

    def check(html):
        (tmp_path / "index.html").write_text(html, encoding="utf-8")
        return {name: functions[name](tmp_path) for name in functions if name.startswith("find_")}

    return check


@pytest.mark.parametrize(
    ("html", "finder"),
    [
        ('<a href="nowhere.html">here</a>', "find_dead_links"),
        ('<img src="sphx_glr_plot_classifiers_001.png" alt="plot classifiers">', "find_unnamed_pictures"),
        ("<img src='fish.png'>", "find_unnamed_pictures"),
        ("<p>VGG16 [R8044cb054baf-1]</p>", "find_raw_citations"),
    ],
)
def test_what_is_wrong_with_a_built_page_is_found(check_links, html, finder):
    assert check_links(html)[finder]


def test_a_built_page_without_faults_passes(check_links):
    found = check_links('<p id="a"><a href="#a">[1]</a><img src="index.html" alt="A grid of fish"></p>')
    assert not any(found.values())
