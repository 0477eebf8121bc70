"""The displays: what they gather, what they draw, and what it looks like."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import same_color, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.testing.compare import compare_images
from PIL import Image
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fishsk import KerasHeadRegressor, PredictionGridDisplay, TrainingCurveDisplay

BASELINE = Path(__file__).parent / "baseline"
NAMES = ["ray", "shark", "trout"]


@pytest.fixture(autouse=True)
def _own_figures():
    """Draw each test's figures in Matplotlib's default style, and close them."""
    with plt.style.context("default"):
        yield
    plt.close("all")


def make_history(n_epochs=8, shift=0.0):
    """Return a history whose validation loss is lowest in its fourth epoch."""
    epochs = np.arange(n_epochs)
    return {
        "loss": list(1.6 * 0.7**epochs + shift / 2),
        "accuracy": list(1 - 0.6 * 0.8**epochs - shift / 4),
        "val_loss": list(0.8 + 0.05 * np.abs(epochs - 3) ** 1.5 + shift),
        "val_accuracy": list(0.7 - 0.3 * 0.6**epochs - shift / 2),
        "learning_rate": list(0.001 * 0.5 ** (epochs // 3)),
    }


class RecordedHead(GaussianNB):
    """A quick classifier that leaves behind what a fitted head does."""

    def fit(self, X, y):
        self.history_ = make_history()
        self.overfit_epoch_ = 4
        self.n_predicted = 0
        return super().fit(X, y)

    def predict(self, X):
        self.n_predicted += len(X)
        return super().predict(X)


def flatten(X):
    return np.reshape(X, (len(X), -1))


def make_pipeline_of_images():
    return Pipeline([("features", FunctionTransformer(flatten)), ("head", RecordedHead())])


@pytest.fixture
def images():
    """Return 12 plain images, each of a gray of its own, and their classes."""
    grays = np.linspace(0, 255, 12).astype(np.uint8)
    return np.broadcast_to(grays[:, None, None, None], (12, 8, 8, 3)).copy(), np.repeat([0, 1, 2], 4)


@pytest.fixture
def predictions(images):
    """Return images, labels, and probabilities that are wrong for images 1, 2, 6 and 9."""
    X, y = images
    top = np.array([0.9, 0.6, 0.8, 0.5, 0.7, 0.95, 0.6, 0.85, 0.45, 0.99, 0.75, 0.65])
    y_proba = np.repeat((1 - top)[:, None] / 2, 3, axis=1)
    predicted = y.copy()
    predicted[[1, 2, 6, 9]] = (y[[1, 2, 6, 9]] + 1) % 3
    y_proba[np.arange(12), predicted] = top
    return X, y, y_proba


def assert_looks_like(figure, name, tmp_path):
    """Compare a figure with a picture in tests/baseline; to accept the new one, copy it there."""
    drawn = tmp_path / name
    figure.savefig(drawn, dpi=50)
    # Text is drawn a little differently by each FreeType: 2 is about what a shift of every letter makes.
    difference = compare_images(str(BASELINE / name), str(drawn), tol=2)
    assert difference is None, difference


# Training curves: what is gathered


def test_the_best_epoch_is_that_of_the_lowest_validation_loss_counted_from_0():
    display = TrainingCurveDisplay.from_history(make_history())
    assert display.best_epochs == [3]
    np.testing.assert_array_equal(display.curves["val_loss"], [make_history()["val_loss"]])


def test_the_band_is_one_standard_deviation_around_the_mean():
    histories = [make_history(shift=shift) for shift in (0.0, 0.1, 0.5)]
    display = TrainingCurveDisplay.from_history(histories)
    losses = np.array([history["val_loss"] for history in histories])
    np.testing.assert_allclose(display.lines_["val_loss"].get_ydata(), losses.mean(axis=0))
    vertices = display.bands_["val_loss"].get_paths()[0].vertices
    drawn = [np.unique(vertices[vertices[:, 0] == epoch, 1])[[0, -1]] for epoch in range(1, 9)]
    expected = np.column_stack(
        [losses.mean(axis=0) - losses.std(axis=0), losses.mean(axis=0) + losses.std(axis=0)]
    )
    np.testing.assert_allclose(drawn, expected)


def test_the_mean_ends_with_the_shortest_run_and_the_others_go_on():
    display = TrainingCurveDisplay.from_history([make_history(8), make_history(5)])
    assert np.isfinite(display.means["loss"]).tolist() == [True] * 5 + [False] * 3
    runs = display.axes_[0].lines[:2]
    assert [np.isfinite(line.get_ydata()).sum() for line in runs] == [8, 5]


def test_a_curve_that_one_run_lacks_is_left_out():
    short = {key: values for key, values in make_history().items() if not key.startswith("val_")}
    display = TrainingCurveDisplay.from_history([make_history(), short])
    assert sorted(display.curves) == ["accuracy", "learning_rate", "loss"]
    assert display.best_epochs == [None, None]


def test_a_loss_that_became_infinite_or_nan_is_a_gap():
    history = make_history()
    history["val_loss"][2:] = [np.inf, np.nan, 0.9, np.inf, np.inf, np.inf]
    display = TrainingCurveDisplay.from_history([history, make_history()])
    assert display.best_epochs == [4, 3]
    assert np.isnan(display.curves["val_loss"][0, 2])


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([], "'loss' among them"),
        ({"loss": []}, "at least one epoch"),
        ({"accuracy": [0.5]}, r"Got \[{'accuracy': \[0\.5\]}\]"),
        ({"loss": [0.5, 0.4], "val_loss": [0.6]}, "2 values of 'loss' and 1 of 'val_loss'"),
    ],
)
def test_a_history_that_is_none_is_refused(history, message):
    with pytest.raises(ValueError, match=message):
        TrainingCurveDisplay.from_history(history)


def test_from_estimator_finds_the_history_of_whatever_holds_a_head(images):
    X, y = images
    pipeline = make_pipeline_of_images().fit(X, y)
    nested = make_pipeline(FunctionTransformer(), pipeline)
    search = GridSearchCV(pipeline, {"head__var_smoothing": [0.1, 1.0]}, cv=2).fit(X, y)
    folds = cross_validate(pipeline, X, y, cv=3, return_estimator=True)
    one, several = [pipeline[-1], pipeline, nested, search], [[search, pipeline, nested], folds]
    for estimator, n_runs in [*((each, 1) for each in one), *((each, 3) for each in several)]:
        display = TrainingCurveDisplay.from_estimator(estimator)
        np.testing.assert_array_equal(display.curves["loss"], [make_history()["loss"]] * n_runs)
        assert display.overfit_epochs == [4] * n_runs
    assert display.run_name == "fold"
    assert (
        display.axes_[0].get_legend().get_title().get_text() == "Mean of 3 folds, and one standard deviation"
    )


# Keras 3.15 converts TensorFlow's learning rate in a way that NumPy 2 announces to forbid.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_a_real_head_in_a_search_is_drawn():
    from fishsk import KerasHeadClassifier

    X, y = load_iris(return_X_y=True)
    head = KerasHeadClassifier(hidden_units=4, epochs=3, random_state=0)
    search = GridSearchCV(make_pipeline(StandardScaler(), head), {}, cv=2).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(search)
    head = search.best_estimator_[-1]
    assert {key: values[0].tolist() for key, values in display.curves.items()} == head.history_
    assert display.best_epochs == [head.best_epoch_]
    grid = PredictionGridDisplay.from_estimator(search, X, y, image_shape=(2, 2), select="least_certain")
    assert (
        grid.confidence.tolist()
        == sorted(head.predict_proba(search.best_estimator_[0].transform(X)).max(axis=1))[:36]
    )


def test_an_estimator_without_a_history_is_refused(images):
    X, y = images
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(make_pipeline_of_images())
    with pytest.raises(TypeError, match="keeps no history_"):
        TrainingCurveDisplay.from_estimator(LogisticRegression().fit(flatten(X), y))
    with pytest.raises(ValueError, match="return_estimator=True"):
        TrainingCurveDisplay.from_estimator({"test_score": [0.5]})


# Training curves: what is drawn


def test_the_panels_are_those_that_were_recorded():
    def labels(*keys):
        display = TrainingCurveDisplay.from_history({key: make_history()[key] for key in keys})
        return [ax.get_ylabel().replace("\n", " ") for ax in display.axes_]

    assert labels("loss") == ["Loss"]
    assert labels("loss", "val_loss", "learning_rate") == ["Loss", "Learning rate"]
    assert labels(*make_history()) == ["Loss", "Accuracy", "Learning rate"]


def test_the_training_of_a_regressor_inside_of_what_scales_targets_is_drawn():
    X, _ = load_iris(return_X_y=True)
    head = KerasHeadRegressor(hidden_units=4, epochs=2, random_state=0)
    scaled = TransformedTargetRegressor(head, transformer=StandardScaler())
    pipeline = make_pipeline(StandardScaler(), scaled).fit(X[:, :3], X[:, 3])
    display = TrainingCurveDisplay.from_estimator(pipeline)
    assert [axes.get_ylabel().split("\n")[0] for axes in display.axes_] == [
        "Loss",
        "Mean absolute",
        "Learning",
    ]
    history = pipeline[-1].regressor_.history_
    np.testing.assert_allclose(
        display.curves["val_mean_absolute_error"], [history["val_mean_absolute_error"]]
    )


def test_the_legend_counts_epochs_from_1():
    display = TrainingCurveDisplay.from_history(make_history(), overfit_epoch=4)
    texts = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert texts == ["training", "validation", "lowest validation loss: epoch 4", "overfitting from epoch 5"]
    assert display.axes_[0].get_legend().get_title().get_text() == ""


def test_the_legend_of_several_runs_tells_their_median_and_range():
    histories = [make_history(shift=shift) for shift in (0.0, 0.1, 0.2)]
    histories[2]["val_loss"][6] = 0.1
    display = TrainingCurveDisplay.from_history(histories, overfit_epoch=[4, None, 7])
    texts = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert texts[2] == "lowest validation loss: epoch 4 (median of 4 to 7)"
    assert texts[3] == "overfitting from epoch 5 (median of 5 to 8; 2 of 3 runs)"


def test_every_panel_is_shaded_from_where_overfitting_began():
    display = TrainingCurveDisplay.from_history(make_history(), overfit_epoch=4)
    for ax in display.axes_:
        (shade,) = (patch for patch in ax.patches if isinstance(patch, Rectangle))
        assert (shade.get_x(), shade.get_x() + shade.get_width()) == (5, 8.5)
    unshaded = TrainingCurveDisplay.from_history(make_history())
    assert not any(isinstance(patch, Rectangle) for ax in unshaded.axes_ for patch in ax.patches)


def test_the_best_epoch_is_marked_on_both_validation_curves():
    display = TrainingCurveDisplay.from_history(make_history())
    for ax, key in zip(display.axes_, ["val_loss", "val_accuracy"], strict=False):
        (mark,) = (line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()))
        assert (*mark.get_xdata(), *mark.get_ydata()) == (4, make_history()[key][3])


def test_the_learning_rate_steps_between_epochs_and_names_its_values():
    ax = TrainingCurveDisplay.from_history(make_history()).axes_[2]
    values, edges, _ = ax.patches[0].get_data()
    assert values.tolist() == make_history()["learning_rate"]
    assert edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0.00025", "0.0005", "0.001"]


@pytest.mark.parametrize("n_epochs", [1, 2, 40])
def test_epochs_are_whole_numbers(n_epochs):
    display = TrainingCurveDisplay.from_history(make_history(n_epochs))
    display.figure_.draw_without_rendering()
    ticks = display.axes_[-1].get_xticks()
    assert np.array_equal(ticks, ticks.astype(int))
    assert ((ticks >= 1) & (ticks <= n_epochs)).any()


def test_curves_divide_one_axes_as_scikit_learn_does():
    figure, ax = plt.subplots()
    display = TrainingCurveDisplay.from_history(make_history(), ax=ax)
    assert display.bounding_ax_ is ax
    assert display.figure_ is figure
    assert len(figure.axes) == 4
    with pytest.raises(ValueError, match=r"display\.axes_"):
        display.plot(ax=ax)


def test_curves_fill_an_array_of_axes():
    figure, axes = plt.subplots(2, 2)
    display = TrainingCurveDisplay.from_history(make_history(), ax=axes)
    assert display.bounding_ax_ is None
    assert display.axes_.tolist() == axes.flat[:3].tolist()
    assert [ax.get_xlabel() for ax in figure.axes] == ["Epoch", "Epoch", "Epoch", ""]
    assert [ax.axison for ax in figure.axes] == [True, True, True, False]
    with pytest.raises(ValueError, match=r"at least 3 axes\. Got 2"):
        display.plot(ax=axes[0])


def test_curves_take_styles():
    histories = [make_history(), make_history(shift=0.1)]
    kwargs = {"line_kw": {"lw": 5}, "fill_between_kw": {"alpha": 0.7}}
    display = TrainingCurveDisplay.from_history(histories, **kwargs)
    assert display.lines_["loss"].get_linewidth() == 5
    assert display.bands_["loss"].get_alpha() == 0.7


# The grid: what is gathered


def test_confident_mistakes_come_most_confident_first(predictions):
    X, y, y_proba = predictions
    display = PredictionGridDisplay.from_predictions(X, y, y_proba=y_proba, select="confident_mistakes")
    assert display.indices.tolist() == [9, 2, 1, 6]  # 1 and 6 are as confident as each other
    assert display.confidence.tolist() == [0.99, 0.8, 0.6, 0.6]
    assert (display.y_pred != display.y_true).all()
    np.testing.assert_array_equal(display.images, X[[9, 2, 1, 6]])


def test_the_least_certain_come_first_whether_right_or_wrong(predictions):
    X, y, y_proba = predictions
    display = PredictionGridDisplay.from_predictions(
        X, y, y_proba=y_proba, select="least_certain", n_rows=1, n_cols=4
    )
    assert display.indices.tolist() == [8, 3, 1, 6]
    assert display.title == "The 4 least certain predictions for 12 images: 2 mistaken"


@pytest.mark.parametrize("label", [1, "shark"])
def test_one_class_can_be_asked_for_by_label_or_name(predictions, label):
    X, y, y_proba = predictions
    display = PredictionGridDisplay.from_predictions(
        X, y, y_proba=y_proba, select="first", label=label, display_labels=NAMES
    )
    assert display.indices.tolist() == [4, 5, 6, 7]
    assert display.title == "The first 4 of 4 images of shark: 1 mistaken"


def test_a_random_grid_follows_its_seed_and_repeats_no_image(predictions):
    X, y, y_proba = predictions
    first, second, third = (
        PredictionGridDisplay.from_predictions(
            X, y, y_proba=y_proba, n_rows=3, n_cols=3, random_state=seed
        ).indices
        for seed in (0, 0, 1)
    )
    assert first.tolist() == second.tolist() != third.tolist()
    assert len(set(first)) == 9


def test_labels_alone_show_no_probability(predictions):
    X, y, y_proba = predictions
    y_pred = np.array(NAMES)[y_proba.argmax(axis=1)]
    display = PredictionGridDisplay.from_predictions(X, np.array(NAMES)[y], y_pred, select="first")
    assert display.confidence is None
    assert display.axes_[0, 1].get_title(loc="left") == "true: ray\npred: shark"


def test_the_probability_is_that_of_the_predicted_label(predictions):
    """A tuned threshold may predict another class than the most probable one."""
    X, y, y_proba = predictions
    y_pred = np.full(12, 2)
    display = PredictionGridDisplay.from_predictions(X, y, y_pred, y_proba=y_proba, select="first")
    np.testing.assert_array_equal(display.confidence, y_proba[:, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"select": "worst"}, "select must be one of 'random'.* Got 'worst'"),
        ({"label": "whale"}, "label must be one of .* Got 'whale'"),
        ({"label": 3, "classes": [0, 1, 3]}, "none whose true label is 3"),
        ({"display_labels": ["ray"]}, "each of the 3 classes .* Got 1 names"),
        ({"classes": [0, 1]}, r"one column for each of the classes \[0, 1\]"),
        ({"y_pred": [7] * 12, "classes": [0, 1, 2]}, r"Got \[7\] as well"),
        ({"y_proba": None}, "neither y_pred nor y_proba"),
        ({"y_proba": None, "y_pred": [0] * 12, "select": "least_certain"}, "needs probabilities"),
        ({"y_pred": [0] * 13}, "inconsistent numbers of samples"),
    ],
)
def test_a_grid_says_what_is_wrong(predictions, change, message):
    X, y, y_proba = predictions
    with pytest.raises(ValueError, match=message):
        PredictionGridDisplay.from_predictions(X, y, **({"y_proba": y_proba} | change))


def test_from_estimator_predicts_only_what_is_drawn(images):
    X, y = images
    pipeline = make_pipeline_of_images().fit(X, y)
    display = PredictionGridDisplay.from_estimator(pipeline, X, y, n_rows=2, n_cols=2, random_state=0)
    assert pipeline[-1].n_predicted == 4
    PredictionGridDisplay.from_estimator(pipeline, X, y, label=2, select="least_certain", n_rows=1)
    assert pipeline[-1].n_predicted == 4 + 4
    np.testing.assert_array_equal(display.y_pred, pipeline.predict(X[display.indices]))
    expected = pipeline.predict_proba(X[display.indices]).max(axis=1)
    np.testing.assert_allclose(display.confidence, expected)


def test_from_estimator_reads_flattened_images_as_its_transformer_does(images):
    class Scaler(StandardScaler):
        def __init__(self, image_shape=None, input_range=(0, 255)):
            super().__init__()
            self.image_shape = image_shape
            self.input_range = input_range

    X, y = images
    flat = flatten(X) / 255
    pipeline = make_pipeline(Scaler(image_shape=(8, 8, 3), input_range=(0, 1)), RecordedHead()).fit(flat, y)
    display = PredictionGridDisplay.from_estimator(pipeline, flat, y, select="first")
    np.testing.assert_array_equal(display.images, X)


def test_from_estimator_wants_what_predicts_classes_or_numbers(images):
    X, y = images
    with pytest.raises(NotFittedError):
        PredictionGridDisplay.from_estimator(make_pipeline_of_images(), X, y)
    with pytest.raises(ValueError, match="must be a classifier or a regressor"):
        PredictionGridDisplay.from_estimator(StandardScaler().fit(flatten(X), y), X, y)


def test_files_of_any_size_are_shown_small_and_undistorted(tmp_path):
    sizes = {"tall.png": (300, 1200), "wide photograph é.png": (1000, 500), "tiny.png": (3, 2)}
    for name, size in sizes.items():
        Image.new("RGB", size, "navy").save(tmp_path / name)
    paths = [tmp_path / name for name in sizes]
    display = PredictionGridDisplay.from_predictions(paths, NAMES, NAMES, select="first")
    assert [image.shape for image in display.images] == [(256, 64, 3), (128, 256, 3), (2, 3, 3)]
    assert all(np.all(image == (0, 0, 128)) for image in display.images)


# The grid: what is drawn


def test_right_and_wrong_differ_in_text_frame_and_symbol(predictions):
    X, y, y_proba = predictions
    display = PredictionGridDisplay.from_predictions(
        X, y, y_proba=y_proba, select="first", display_labels=NAMES
    )
    right, wrong = display.axes_[0, :2]
    assert right.get_title(loc="left") == "true: ray\npred: ray 0.90"
    assert wrong.get_title(loc="left") == "true: ray\npred: shark 0.60"
    assert right.spines["left"].get_linewidth() < wrong.spines["left"].get_linewidth()
    assert not same_color(right.spines["left"].get_edgecolor(), wrong.spines["left"].get_edgecolor())
    check, cross = (ax.lines[-1].get_marker() for ax in (right, wrong))
    assert (len(check.vertices), cross) == (3, "x")


def test_the_grid_has_no_more_rows_than_it_needs(predictions):
    X, y, y_proba = predictions
    display = PredictionGridDisplay.from_predictions(X, y, y_proba=y_proba, n_cols=5)
    assert display.axes_.shape == (3, 5)
    assert [ax.axison for ax in display.axes_.flat] == [True] * 12 + [False] * 3


def test_no_mistakes_are_told_and_not_raised(images):
    X, y = images
    display = PredictionGridDisplay.from_predictions(X, y, y_proba=np.eye(3)[y], select="confident_mistakes")
    assert display.indices.size == 0
    assert [text.get_text() for text in display.axes_.flat[0].texts] == ["No mistakes in 12 images"]


def test_names_are_drawn_as_they_are_and_cut_where_they_are_too_long(images):
    X, y = images
    names = ["$\\frac{1}$ & <b>", "Micropterus salmoides floridanus", "ray"]
    display = PredictionGridDisplay.from_predictions(X, y, y, display_labels=names, select="first")
    display.figure_.draw_without_rendering()  # raises where mathematics cannot be parsed
    assert display.axes_[0, 0].get_title(loc="left").startswith("true: $\\frac{1}$ & <b>\n")
    assert display.axes_[0, 5].get_title(loc="left").startswith("true: Micropterus … floridanus\n")


def test_no_text_leaves_its_column(predictions):
    X, y, y_proba = predictions
    names = ["aquarium_fish", "flatfish", "trout"]
    figure = PredictionGridDisplay.from_predictions(X, y, y_proba=y_proba, display_labels=names).figure_
    figure.draw_without_rendering()
    axes = np.reshape(figure.axes, (2, 6))
    for left, right in zip(axes[:, :-1].flat, axes[:, 1:].flat, strict=True):
        assert left._left_title.get_window_extent().x1 < right._left_title.get_window_extent().x0


def test_a_grid_divides_one_axes_or_fills_an_array(predictions):
    X, y, y_proba = predictions
    figure, (ax, _) = plt.subplots(1, 2)
    display = PredictionGridDisplay.from_predictions(X, y, y_proba=y_proba, n_cols=4, ax=ax)
    assert (display.bounding_ax_, display.figure_, display.axes_.shape) == (ax, figure, (3, 4))
    assert figure.get_suptitle() == ""
    _, axes = plt.subplots(4, 4)
    assert display.plot(ax=axes) is display
    assert display.axes_ is axes
    assert [ax.axison for ax in axes.flat] == [True] * 12 + [False] * 4


def test_displays_draw_into_subfigures(predictions):
    X, y, y_proba = predictions
    left, right = plt.figure(layout="constrained").subfigures(1, 2)
    curves = TrainingCurveDisplay.from_history(make_history(), ax=left.subplots())
    grid = PredictionGridDisplay.from_predictions(X, y, y_proba=y_proba, ax=right.subplots())
    assert (curves.figure_, grid.figure_) == (left, right)


def test_a_grid_takes_styles(predictions):
    X, y, y_proba = predictions
    display = PredictionGridDisplay.from_predictions(
        X, y, y_proba=y_proba, im_kw={"interpolation": "bicubic"}, text_kw={"size": 5, "color": "red"}
    )
    ax = display.axes_[0, 0]
    assert ax.images[0].get_interpolation() == "bicubic"
    assert (ax._left_title.get_fontsize(), ax._left_title.get_color()) == (5, "red")


# What they look like


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_lines_and_text_stand_out_from_their_ground(predictions, style):
    """WCAG 2.2 asks for a contrast of 4.5 of text, and of 3 of marks."""

    def luminance(color):
        channels = np.array(to_rgb(color))
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    def contrast(color, ground):
        low, high = sorted([luminance(color), luminance(ground)])
        return (high + 0.05) / (low + 0.05)

    X, y, y_proba = predictions
    with plt.style.context(style):
        curves = TrainingCurveDisplay.from_history(make_history())
        grid = PredictionGridDisplay.from_predictions(X, y, y_proba=y_proba, select="first")
    ground = curves.figure_.get_facecolor()
    texts = [
        *curves.axes_[0].get_legend().get_texts(),
        grid.axes_[0, 0]._left_title,
        curves.axes_[0].yaxis.label,
    ]
    assert min(contrast(text.get_color(), ground) for text in texts) > 4.5
    marks = [line.get_color() for ax in curves.axes_ for line in ax.lines]
    marks += [curves.axes_[2].patches[0].get_edgecolor()]
    marks += [ax.spines["left"].get_edgecolor() for ax in grid.axes_.flat]
    assert min(contrast(color, ground) for color in marks) > 3


def test_the_look_of_one_training(tmp_path):
    display = TrainingCurveDisplay.from_history(make_history(), overfit_epoch=4)
    assert_looks_like(display.figure_, "training_curve.png", tmp_path)


def test_the_look_of_folds_on_a_dark_ground(tmp_path):
    histories = [make_history(n_epochs, shift) for n_epochs, shift in [(12, 0.0), (10, 0.1), (11, 0.25)]]
    with plt.style.context("dark_background"):
        display = TrainingCurveDisplay.from_history(histories, overfit_epoch=[4, 6, None], run_name="fold")
        assert_looks_like(display.figure_, "training_folds_dark.png", tmp_path)


def test_the_look_of_a_grid(predictions, tmp_path):
    X, y, y_proba = predictions
    X = X // 2 + (np.arange(8, dtype=np.uint8) * 16)[:, None]
    display = PredictionGridDisplay.from_predictions(
        X, y, y_proba=y_proba, display_labels=["aquarium_fish", "ray", "trout"], select="first", n_cols=5
    )
    assert_looks_like(display.figure_, "prediction_grid.png", tmp_path)
