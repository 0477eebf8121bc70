"""What a report holds, and what it must never hold. test_report_browser.py opens it."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fishsk import PredictionGridDisplay, VGG16FeatureTransformer, make_fish_pipeline, write_report
from fishsk.datasets import make_fish_images
from fishsk.features._images import check_images
from fishsk.inspection._duplicates import find_near_duplicates

NAMES = ("flatfish", "ray", "shark")
HOSTILE = (  # in sorted order, as NAMES are
    "<!-- ]]> {{ 7 * 7 }} &amp; </svg></style></title>",
    "</script><script>window.pwned = 1</script>",
    "<img src=x onerror=\"window.pwned = 1\"> ' onclick='window.pwned = 1",
)
SECTIONS = [
    "scores",
    "confusion",
    "mistakes",
    "map",
    "data",
    "training",
    "calibration",
    "trust",
    "duplicates",
]


class HeadWithHistory(LogisticRegression):
    """A head that remembers its training, as KerasHeadClassifier does."""

    history = {"loss": [1.1, 0.6, 0.5], "val_loss": [0.9, 0.7, 0.8]}

    def fit(self, X, y):
        self.history_ = self.history
        self.best_epoch_, self.overfit_epoch_ = 1, None
        return super().fit(X, y)


def flatten(X):
    return np.reshape(X, (len(X), -1)) / 255


def make_images(rng, n_samples):
    """Return images whose class is the row of a bright bar, more or less."""
    y = rng.permutation(np.arange(n_samples) % 3)
    X = rng.integers(0, 150, size=(n_samples, 16, 16, 3), dtype=np.uint8)
    for image, row in zip(X, (y + (rng.random(n_samples) < 0.2)) % 3, strict=True):
        image[5 * row : 5 * row + 3] += 90
    return X, y


def write(folder, names=NAMES, n_train=60, **options):
    """Train on a few images and write a report on others, one of them a training image's mirror image."""
    rng = np.random.default_rng(0)
    (X_train, y_train), (X, y) = make_images(rng, n_train), make_images(rng, 90)
    X[7], y[7] = X_train[5][:, ::-1], y_train[5]
    names = np.asarray(names)
    estimator = make_pipeline(FunctionTransformer(flatten), StandardScaler(), HeadWithHistory(C=0.001))
    estimator.fit(X_train, names[y_train])
    options = {"X_train": X_train, "y_train": names[y_train]} | options
    return write_report(estimator, X, names[y], folder / "report.html", **options)


class Page(HTMLParser):
    """The elements of a page, (tag, attributes), and its text, all and by the id of an element around it."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements, self.text, self.inside = [], "", []
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.text += text

    def find(self, tag, **attributes):
        return [
            found
            for name, found in self.elements
            if name == tag and all(found.get(key) == value for key, value in attributes.items())
        ]

    def cut(self, start, end):
        """Return the source between two marks."""
        return self.source.partition(start)[2].partition(end)[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return Page(write(tmp_path_factory.mktemp("report")))


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    names = [f"{HOSTILE[0]}{index}.png" for index in range(90)]
    return Page(write(tmp_path_factory.mktemp("hostile"), HOSTILE, title=HOSTILE[1], image_names=names))


@pytest.fixture
def no_figures(monkeypatch):
    """Save the seconds that figures and the map take, where they are not looked at."""

    def scatter(rows, **_):
        return np.random.default_rng(0).random((len(rows), 2))

    monkeypatch.setattr("fishsk.report._classification.lay_out", scatter)
    monkeypatch.setattr(
        "fishsk.report._classification.draw_figure", lambda _: {"light": "data:,", "dark": "data:,"}
    )
    monkeypatch.setattr("fishsk.report._figures.draw_figure", lambda _: {"light": "data:,", "dark": "data:,"})


def test_every_section_is_there(page):
    ids = [found.get("id") for found in page.find("section")]
    assert ids == [*SECTIONS, "pipeline", "reproduce"]


def test_the_page_has_no_script_and_forbids_them(page):
    assert not page.find("script")
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_nothing_is_loaded_from_elsewhere(page):
    for tag, found in page.elements:
        for name in {"src", "srcset", "href", "data", "poster", "action"} & set(found):
            assert tag == "a" or found[name].startswith(("data:", "#")), (tag, name, found[name][:80])
    assert not re.search(r"@import|url\((?!data:)", page.cut("<style>", "</body>"))


def test_fault_40_markup_in_names_and_titles_stays_text(page, hostile_page):
    def skeleton(page):
        return [(tag, sorted(found)) for tag, found in page.elements if tag != "wbr"]

    assert skeleton(hostile_page) == skeleton(page)
    for name in HOSTILE:
        assert name in hostile_page.text
    assert hostile_page.find("title") == [{}]


@pytest.mark.usefixtures("no_figures")
def test_fault_40_markup_in_a_step_stays_text(tmp_path):
    X, y = load_digits(return_X_y=True)
    classifier = LogisticRegression(C=0.01, class_weight=dict.fromkeys(range(10), 1) | {HOSTILE[1]: 1})
    named = make_pipeline(StandardScaler(), classifier)
    named.steps[0] = (HOSTILE[2], named.steps[0][1])
    named.fit(X[:300], y[:300])
    page = Page(write_report(named, X[300:400], y[300:400], tmp_path / "r.html", image_shape=(8, 8)))
    assert not page.find("script")
    assert not page.find("img", src="x")


def test_each_cell_opens_its_images(page):
    for button in page.find("button", type="button"):
        if button["command"] == "close":
            continue
        count = int(button["aria-label"].split()[0])
        panel = page.cut(f'<dialog id="{button["commandfor"]}"', "</ul>")
        assert panel.count("<use ") == min(count, 24)
        true, predicted = re.search(r"of (\w+) predicted as (\w+)", button["aria-label"]).groups()
        assert (f"{true} recognized" if true == predicted else f"{true} taken for {predicted}") in panel


@pytest.mark.usefixtures("no_figures")
def test_a_cell_says_how_many_images_it_leaves_out(tmp_path):
    page = Page(write(tmp_path, max_images=2))
    panel = page.cut('<dialog id="cell-0-0"', "</ul>")
    assert panel.count("<use ") == 2
    assert "; the first 2 of " in panel


@pytest.mark.usefixtures("no_figures")
def test_paths_break_behind_a_slash(tmp_path):
    names = [f"photos/ray/{index}.png" for index in range(90)]
    page = Page(write(tmp_path, image_names=names))
    assert "photos/<wbr>ray/<wbr>" in page.cut('<dialog id="cell-0-0"', "</ul>")


def test_an_image_is_kept_once_however_often_it_is_shown(page):
    kept = [found["id"] for found in page.find("image")]
    shown = [found["href"].removeprefix("#") for found in page.find("use")]
    assert len(kept) == len(set(kept)) < len(shown)
    assert set(kept) == set(shown)


def test_every_picture_has_words_for_those_who_do_not_see_it(page):
    pictures = [*page.find("svg", role="img"), *page.find("img")]
    assert len(pictures) > 90
    assert all(found.get("aria-label") or found.get("alt") for found in pictures)
    assert "Test: image 7: " in page.source


def test_figures_are_drawn_for_light_and_for_dark_grounds(page):
    light, dark = (page.find("img", **{"class": ground}) for ground in ("on-light", "on-dark"))
    assert len(light) == len(dark) == 3
    assert len({found["src"] for found in light + dark}) == 6
    assert all(found["src"].startswith("data:image/svg+xml;base64,") for found in light + dark)


def test_the_most_confident_mistakes_come_first(page):
    probabilities = re.findall(r"probability (\d\.\d\d)<", page.cut('<section id="mistakes"', "</section>"))
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(probabilities) == min(10, int(page.cut("images</dt>", " mistakes").rpartition(">")[2]))


def test_a_mirrored_training_image_is_found_and_taken_out_of_the_score(page):
    part = page.cut('<section id="duplicates"', "</section>")
    assert "test: image 7; training: image 5; similarity 1.000" in part
    rows = re.findall(r'row">(.+?)</th><td class="number">(\d+)', part)
    assert rows == [("All test images", "90"), ("Without near-duplicates", "89"), ("Near-duplicates", "1")]


@pytest.mark.usefixtures("no_figures")
def test_without_training_images_the_report_says_how_to_look_for_duplicates(tmp_path):
    page = Page(write(tmp_path, X_train=None, y_train=None))
    assert "The training images were not given." in page.text


def test_validation_images_are_spoken_of_where_there_were_some(page, tmp_path, monkeypatch):
    monkeypatch.delitem(HeadWithHistory.history, "val_loss")
    other = Page(write(tmp_path))
    assert ["Validation images are part of" in each.text for each in (page, other)] == [True, False]


@pytest.mark.usefixtures("no_figures")
def test_labels_may_be_objects(page, tmp_path):
    assert Page(write(tmp_path, np.array(NAMES, dtype=object))).find("image") == page.find("image")


@pytest.mark.usefixtures("no_figures")
def test_training_labels_are_not_needed(tmp_path):
    assert "test: image 7; training: image 5" in Page(write(tmp_path, y_train=None)).text


def test_a_classifier_without_probabilities_and_history_gets_a_report(tmp_path):
    X, y = load_digits(return_X_y=True)
    path = write_report(
        RidgeClassifier().fit(X[:500], y[:500]),
        X[500:700],
        y[500:700],
        tmp_path / "r.html",
        image_shape=(8, 8),
    )
    page = Page(path)
    assert "The classifier gives no probabilities." in page.text
    assert "nan" not in page.cut("<h1>", "<pre").lower()
    assert not page.find("section", id="training")


@pytest.mark.usefixtures("no_figures")
def test_perfect_predictions_and_unknown_labels_get_a_report(tmp_path):
    X, y = load_digits(return_X_y=True)
    estimator = KNeighborsClassifier(n_neighbors=1).fit(X, y)
    perfect = Page(write_report(estimator, X[:50], y[:50], tmp_path / "r.html", image_shape=(8, 8)))
    assert "There are none." in perfect.text
    unknown = Page(write_report(estimator, X[:50], y[:50] + 5, tmp_path / "r.html", image_shape=(8, 8)))
    assert "never answered" in unknown.text


@pytest.mark.usefixtures("no_figures")
def test_its_lines_make_the_same_report_again(tmp_path):
    X, y = load_digits(return_X_y=True)
    data = {"X_train": X[:500].reshape(-1, 64), "y_train": y[:500], "X": X[500:600], "y": y[500:600]}
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    estimator.fit(data["X_train"], data["y_train"])
    first = Page(write_report(estimator, data["X"], data["y"], tmp_path / "r.html", image_shape=(8, 8)))
    lines = html.unescape(first.cut('make this report">', "write_report(est"))
    exec(lines, data)
    again = Page(
        write_report(data["estimator"], data["X"], data["y"], tmp_path / "r.html", image_shape=(8, 8))
    )
    assert first.cut("<main>", '<section id="pipeline"') == again.cut("<main>", '<section id="pipeline"')


@pytest.mark.usefixtures("no_figures")
def test_digests_tell_other_labels_apart(page, tmp_path):
    other = Page(write(tmp_path, names=("flounder", "ray", "shark")))
    digests, others = (re.findall(r'class="digest">(\w{64})', each.source) for each in (page, other))
    assert len(digests) == 2
    assert not set(digests) & set(others)


@pytest.mark.usefixtures("no_figures")
def test_paths_name_the_images(tmp_path, rng):
    X, y = make_images(rng, 30)
    paths = [str(tmp_path / f"a <b>{index}.png") for index in range(30)]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    read = FunctionTransformer(lambda paths: flatten(np.stack(list(check_images(paths)))))
    estimator = make_pipeline(read, LogisticRegression()).fit(paths, y)
    page = Page(write_report(estimator, paths, y, tmp_path / "r.html", display_labels=NAMES))
    assert f"{paths[0]}: " in " ".join(found.get("aria-label", "") for found in page.find("svg"))


@pytest.mark.usefixtures("no_figures")
def test_a_failed_write_leaves_the_older_report_whole(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, max_images=1, X_train=None, y_train=None)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_what_is_no_classifier_is_refused(tmp_path):
    scaler = StandardScaler().fit([[0.0], [1.0]])
    with pytest.raises(ValueError, match="must be a classifier"):
        write_report(scaler, [[0.0]], [0], tmp_path / "r.html")


@pytest.mark.parametrize("targets", ["y", "y_train"])
def test_tags_are_refused_before_any_work(tmp_path, monkeypatch, targets):
    X, y = make_images(np.random.default_rng(0), 30)
    estimator = make_pipeline(FunctionTransformer(flatten), GaussianNB()).fit(X, y)
    monkeypatch.setattr(GaussianNB, "predict", lambda *_: pytest.fail("it was asked"))
    given = {"y": y, "y_train": y, "X_train": X} | {targets: np.eye(3)[y]}
    with pytest.raises(ValueError, match=rf"{targets} must be one label or one number for each image"):
        write_report(estimator, X, path=tmp_path / "r.html", **given)


@pytest.mark.usefixtures("no_figures")
def test_what_the_caller_knows_is_not_predicted_again(page, tmp_path, monkeypatch):
    known = {}
    for name in ("predict", "predict_proba"):
        method = getattr(HeadWithHistory, name)
        monkeypatch.setattr(
            HeadWithHistory,
            name,
            lambda self, X, name=name, method=method: known.setdefault(name, method(self, X)),
        )
    write(tmp_path, explain=False)
    given = {"y_pred": known["predict"], "y_proba": known["predict_proba"]}
    for name in known:
        monkeypatch.setattr(HeadWithHistory, name, lambda *_: pytest.fail("it was asked"))
    again = Page(write(tmp_path, explain=False, **given))
    assert again.cut('<table class="matrix">', "</table>") == page.cut('<table class="matrix">', "</table>")


def test_images_and_labels_of_different_lengths_are_refused(tmp_path):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        write(tmp_path, image_names=["a", "b"])


def photograph(rng):
    """Return smooth random blobs, which resize as photographs do."""
    return np.asarray(Image.fromarray(rng.integers(256, size=(6, 6, 3), dtype=np.uint8)).resize((40, 40)))


def find(test, train):
    test, train = check_images(test), check_images(train)
    features = [images.load(range(len(images)), (8, 8)).reshape(len(images), -1) for images in (test, train)]
    labels = [np.zeros(len(images)) for images in (test, train)]
    return find_near_duplicates((features[0], test, labels[0]), (features[1], train, labels[1]))


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image[:, ::-1],
        lambda image: image[2:, :-2],
        lambda image: 0.7 * image + 40,
        lambda image: np.clip(image + np.random.default_rng(1).normal(0, 8, image.shape), 0, 255),
    ],
    ids=["copy", "mirrored", "cropped", "paler", "noisy"],
)
def test_a_changed_copy_is_a_near_duplicate(rng, change):
    train = [photograph(rng) for _ in range(20)]
    found = find([photograph(rng), change(train[3]).astype(np.uint8)], train)
    assert (found.test.tolist(), found.train.tolist()) == ([1], [3])


def test_plain_images_are_no_near_duplicates_of_anything(rng):
    plain = [np.full((40, 40, 3), shade, np.uint8) for shade in (0, 120)]
    assert not len(find([photograph(rng), *plain], [photograph(rng), *plain, photograph(rng)]).test)


@pytest.mark.usefixtures("no_figures")
def test_of_a_search_the_best_estimator_is_recorded(tmp_path):
    X, y = make_fish_images(40, random_state=0)
    pipeline = make_fish_pipeline(
        head=KNeighborsClassifier(), weights=None, features__image_size=32, features__layers=["block1_pool"]
    )
    grid = {"features__weights": ["cifar95"], "features__input_range": [None], "head__n_neighbors": [3]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    page = Page(write_report(search, X / 255.0, y, tmp_path / "report.html"))
    assert search.best_estimator_["features"].weights_digest in page.text
    assert "KNeighborsClassifier(n_neighbors=3)" in page.text


@pytest.mark.filterwarnings("error:The images are floats of at most 1")
@pytest.mark.usefixtures("no_figures")
def test_values_as_they_are_stay_so(tmp_path):
    X, y = make_fish_images(40, random_state=0)
    shares = X / 255.0 - 1
    pipeline = make_fish_pipeline(
        head=KNeighborsClassifier(), weights="cifar95", features__input_range=None, features__pooling="avg"
    ).fit(shares, y)
    write_report(pipeline, shares, y, tmp_path / "report.html")
    PredictionGridDisplay.from_estimator(pipeline, shares, y, n_rows=1)


@pytest.mark.usefixtures("no_figures")
def test_the_weights_of_every_transformer_are_recorded(tmp_path):
    X, y = make_fish_images(40, random_state=0)
    parts = [
        VGG16FeatureTransformer(weights=weights, image_size=32, layers=["block1_pool"])
        for weights in (None, "cifar95")
    ]
    pipeline = make_pipeline(make_union(*parts), KNeighborsClassifier()).fit(X, y)
    page = Page(write_report(pipeline, X, y, tmp_path / "report.html"))
    assert all(part.weights_digest in page.text for part in parts)


def test_another_text_than_auto_is_no_range(tmp_path):
    X, y = make_fish_images(40, random_state=0)
    pipeline = make_fish_pipeline(head=KNeighborsClassifier(), weights="cifar95").fit(X, y)
    with pytest.raises(ValueError, match=r"input_range must be \(low, high\)"):
        write_report(pipeline, X, y, tmp_path / "report.html", input_range="nonsense")


@pytest.mark.filterwarnings("error:The images are floats of at most 1")
def test_a_grid_of_a_search_reads_images_as_the_best_estimator_does():
    X, y = make_fish_images(40, random_state=0)
    pipeline = make_fish_pipeline(head=KNeighborsClassifier(), weights="cifar95")
    search = GridSearchCV(pipeline, {"features__input_range": [(0, 1)]}, cv=2).fit(X / 255.0, y)
    display = PredictionGridDisplay.from_estimator(search, X / 255.0, y, n_rows=1)
    assert max(image.max() for image in display.images) > 1


def test_each_confident_mistake_stands_beside_its_heat_map(page):
    part = page.cut('<section id="mistakes"', "</section>")
    photos, maps = (re.findall(rf'href="#{kind}-(\d+)"', part) for kind in ("test", "heat"))
    assert photos == maps != []
    assert "(occlusion)" in part
    assert len(re.findall(r"Heat map of image \d+: what spoke for \w+ and for \w+", part)) == len(maps)


@pytest.mark.usefixtures("no_figures")
def test_maps_can_be_left_out_and_are_where_covered_images_cannot_be_given(tmp_path, rng):
    assert "Heat map" not in Page(write(tmp_path, explain=False)).source
    X, y = make_images(rng, 30)
    paths = [str(tmp_path / f"{index}.png") for index in range(30)]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    read = FunctionTransformer(lambda paths: flatten(X[[paths.index(path) for path in paths]]))
    estimator = make_pipeline(read, GaussianNB()).fit(paths, y)
    assert "Heat map" not in Page(write_report(estimator, paths, (y + 1) % 3, tmp_path / "r.html")).source


def test_the_map_has_a_point_for_each_image_and_words_for_each_mistake(page):
    part = page.cut('<section id="map"', "</section>")
    n_mistakes = int(page.cut("images</dt>", " mistakes").rpartition(">")[2])
    assert part.count('class="point"') == 90
    assert part.count('tabindex="0" role="img"') == part.count('class="ring" cx') == n_mistakes
    places = np.array(re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="9"', part), dtype=float)
    assert places.shape == (90, 2)
    assert (places > 0).all()
    assert (places < (700, 500)).all()


def test_images_at_points_stay_inside_the_map(page):
    boxes = re.findall(
        r'translate\(([\d.-]+) ([\d.-]+)\) scale\(([\d.]+)\)"><rect width="(\d+)" height="(\d+)"', page.source
    )
    x, y, scale, width, height = np.array(boxes, dtype=float).T
    assert len(x) == 90
    assert min(x.min(), y.min()) >= 0
    assert (x + scale * width).max() <= 700.1
    assert (y + scale * height).max() <= 500.1


def test_answers_above_a_probability_are_counted(page):
    part = page.cut('<section id="trust"', "Images unlike")
    rows = re.findall(r'number">([\d.]+)</td><td class="number">([\d.]+)\xa0%</td>', part)
    assert [float(least) for least, _ in rows] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95][: len(rows)]
    shares = [float(share) for _, share in rows]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.usefixtures("no_figures")
def test_what_is_unlike_the_training_images_is_shown(tmp_path):
    rng = np.random.default_rng(0)
    X, y = make_images(rng, 200)
    estimator = make_pipeline(FunctionTransformer(flatten), LogisticRegression(C=0.01)).fit(X[:150], y[:150])
    X[150:153] = 255 - X[150:153]
    page = Page(
        write_report(estimator, X[150:], y[150:], tmp_path / "r.html", X_train=X[:150], y_train=y[:150])
    )
    part = page.cut("Images unlike anything", "</section>")
    shown = re.findall(r"image (\d+), distance", part)
    assert set(shown[:3]) == {"0", "1", "2"}
    few = Page(write_report(estimator, X[150:], y[150:], tmp_path / "r.html", X_train=X[:9], y_train=y[:9]))
    assert "X_train must hold at least 19 different images" in few.text


@pytest.mark.usefixtures("no_figures")
def test_500_photographs_make_a_page_of_less_than_3_megabytes(tmp_path, rng):
    photographs = load_sample_images().images
    X = np.empty((500, 160, 160, 3), dtype=np.uint8)
    for index, image in enumerate(X):
        row, column = rng.integers(0, 250), rng.integers(0, 450)
        image[:] = photographs[index % 2][row : row + 160, column : column + 160]
    small = FunctionTransformer(lambda X: X[:, ::20, ::20].reshape(len(X), -1) / 255)
    estimator = make_pipeline(small, GaussianNB()).fit(X, rng.integers(0, 5, 500))
    path = write_report(estimator, X, rng.integers(0, 5, 500), tmp_path / "r.html", max_images=100)
    assert len(Page(path).find("image", height="128")) >= 500
    assert path.stat().st_size < 2_500_000  # and three figures of 60 KB, each on two grounds


# What is learned by training in folds


def test_with_cv_more_images_and_wrong_labels_are_sections(tmp_path):
    page = Page(write(tmp_path, n_train=120, cv=3))
    ids = [found.get("id") for found in page.find("section")]
    assert ids == [*SECTIONS, "forecast", "labels", "pipeline", "reproduce"]
    assert page.find("a", href="#forecast")
    assert page.find("a", href="#labels")
    assert "y_train=y_train, cv=3)" in page.text
    forecast = page.cut('<section id="forecast"', "</section>")
    assert len(re.findall(r"<tr><td", forecast)) == 3
    assert "in 3 folds" in page.text


def test_a_swapped_training_label_is_shown(tmp_path, rng):
    X, y = make_images(rng, 150)
    y[11] = (y[11] + 1) % 3
    names = np.asarray(NAMES)[y]
    estimator = make_pipeline(FunctionTransformer(flatten), StandardScaler(), LogisticRegression(C=0.001))
    path = write_report(
        estimator.fit(X, names), X, names, tmp_path / "r.html", X_train=X, y_train=names, cv=5
    )
    labels = Page(path).cut('<section id="labels"', "</section>")
    assert f"image 11: labeled {names[11]}, likely" in labels


def test_fault_40_markup_in_names_stays_text_where_clones_were_trained(tmp_path):
    page = Page(write(tmp_path, HOSTILE, n_train=120, cv=3))
    assert not page.find("script")
    assert not page.find("img", src="x")


def test_cv_without_training_labels_is_refused(tmp_path):
    with pytest.raises(ValueError, match="pass X_train and y_train"):
        write(tmp_path, cv=3, y_train=None)
