"""Several frozen networks side by side, wherever one can stand."""

import io

import keras
import numpy as np
import pytest
from PIL import Image
from quick import write_safetensors
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from fishsk import (
    FeatureMapDisplay,
    OptunaSearchCV,
    SimilarImagesDisplay,
    VGG16FeatureTransformer,
    default_search_space,
    export_model,
    find_unfamiliar,
    load_pipeline,
    make_fish_pipeline,
    save_pipeline,
    write_report,
)
from fishsk.datasets import make_fish_images
from fishsk.features import find_frozen_parts
from fishsk.inspection import explain_images, find_features
from fishsk.inspection._estimators import run_frozen_steps
from fishsk.serve import Answers
from fishsk.store import cache_info

LAYERS = {"features__narrow__layers": "map1", "features__vgg16__layers": ["block1_pool", "block2_pool"]}


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(60, random_state=0)


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """Return a network for images of 16 x 16 pixels, and a VGG16 for 32 x 32."""
    folder = tmp_path_factory.mktemp("networks")
    x = images = keras.Input((16, 16, 3))
    for number in range(2):
        drawn = keras.initializers.GlorotUniform(seed=number)
        x = keras.layers.Conv2D(4, 3, activation="relu", kernel_initializer=drawn, name=f"map{number}")(x)
    keras.Model(images, x).save(folder / "narrow.keras")
    weights = write_safetensors(folder / "vgg16.safetensors")
    return [str(folder / "narrow.keras"), VGG16FeatureTransformer(weights=str(weights))]


def make_pipeline(backbones, **params):
    quick = {"head__hidden_units": 8, "head__epochs": 4, "head__validation_fraction": 0}
    return make_fish_pipeline(backbone=backbones, random_state=0, **quick | LAYERS | params)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def fitted(backbones, fish, cached):
    return make_pipeline(backbones, features__cache=cached).fit(*fish)


@pytest.fixture(scope="module")
def with_colors(backbones, fish, cached):
    """Return a fitted pipeline in which something else than a network stands beside one."""
    colors = FunctionTransformer(mean_colors)
    pipeline = make_fish_pipeline(
        backbone=[backbones[1], colors], head=SVC(), features__vgg16__cache=cached, random_state=0
    )
    return pipeline.fit(*fish)


def mean_colors(X):
    return np.asarray(X, dtype=np.float32).mean(axis=(1, 2))


def to_file(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, format="PNG")
    return content.getvalue()


def test_names_carry_weights_and_become_the_names_of_the_parts():
    features = make_fish_pipeline(backbone=["vgg16.cifar95", "MobileNetV3Small"], weights=None)["features"]
    assert isinstance(features, FeatureUnion)
    assert list(features.named_transformers) == ["vgg16", "mobilenetv3small"]
    assert features["vgg16"].weights == "cifar95"
    assert (features["mobilenetv3small"].backbone, features["mobilenetv3small"].weights) == (
        "MobileNetV3Small",
        None,
    )


def test_a_single_name_may_carry_its_weights():
    assert make_fish_pipeline(backbone="vgg16.cifar95")["features"].weights == "cifar95"
    assert (
        make_fish_pipeline(backbone="MobileNetV3Small.imagenet", weights=None)["features"].weights
        == "imagenet"
    )
    assert make_fish_pipeline(backbone="our.keras")["features"].backbone == "our.keras"
    with pytest.raises(ValueError, match=r"weights must be 'imagenet', 'cifar95'.*Got 'cifar59'"):
        make_fish_pipeline(backbone="vgg16.cifar59")


def test_parts_of_one_network_are_numbered():
    features = make_fish_pipeline(backbone=["vgg16.cifar95", "vgg16"], weights=None)["features"]
    assert {name: part.weights for name, part in features.transformer_list} == {
        "vgg16_1": "cifar95",
        "vgg16_2": None,
    }


def test_a_list_gives_a_union_and_an_empty_one_is_refused():
    features = make_fish_pipeline(backbone=["vgg16.cifar95"])["features"]
    assert list(features.named_transformers) == ["vgg16"]
    with pytest.raises(ValueError, match="backbone must hold at least one network"):
        make_fish_pipeline(backbone=[])


def test_a_transformer_is_cloned(backbones):
    features = make_fish_pipeline(backbone=backbones)["features"]
    assert features["vgg16"] is not backbones[1]
    assert features["vgg16"].weights == backbones[1].weights


def test_a_parameter_of_the_step_is_given_to_each_part(backbones):
    pipeline = make_pipeline(backbones, features__pooling="max", features__vgg16__resize="crop")
    assert [part.pooling for part in find_frozen_parts(pipeline["features"]).values()] == ["max", "max"]
    assert pipeline["features"]["vgg16"].resize == "crop"
    with pytest.raises(ValueError, match="'depth'"):
        make_pipeline(backbones, features__depth=3)


def test_rows_are_those_of_the_parts_side_by_side_each_with_its_own_size(fitted, fish):
    parts = fitted["features"].named_transformers
    alone = [part.transform(fish[0]) for part in parts.values()]
    np.testing.assert_array_equal(fitted["features"].transform(fish[0]), np.hstack(alone))
    names = fitted["features"].get_feature_names_out()
    assert (names[0], names[-1]) == ("narrow__map1_avg_0", "vgg16__block2_pool_avg_3")
    assert [part.describe_network().split(",")[1] for part in parts.values()] == [
        " 16 x 16 pixels",
        " 32 x 32 pixels",
    ]


def test_each_image_runs_once_through_each_network(backbones, fish, n_extracted):
    search = GridSearchCV(make_pipeline(backbones), {"head__epochs": [1, 2]}, cv=2)
    search.fit(*fish)
    assert n_extracted() == 2 * len(fish[0])


def test_a_saved_pipeline_comes_back_the_same(fitted, fish, tmp_path):
    pipeline = make_with_weights(fitted)
    save_pipeline(pipeline, tmp_path / "first.fishsk")
    loaded = load_pipeline(tmp_path / "first.fishsk")
    np.testing.assert_array_equal(loaded.predict_proba(fish[0]), pipeline.predict_proba(fish[0]))
    assert list(loaded["features"].named_transformers) == ["narrow", "vgg16"]
    assert loaded["features"].transformer_weights == {"vgg16": 2.0}
    save_pipeline(loaded, tmp_path / "second.fishsk")
    assert (tmp_path / "first.fishsk").read_bytes() == (tmp_path / "second.fishsk").read_bytes()


def make_with_weights(fitted):
    """Return a copy of a fitted pipeline in which one part weighs more."""
    import copy

    return copy.deepcopy(fitted).set_params(features__transformer_weights={"vgg16": 2.0})


def test_a_model_is_refused_when_the_weights_of_a_part_have_changed(fitted, fish, tmp_path):
    path = tmp_path / "vgg16.safetensors"
    write_safetensors(path)
    pipeline = make_with_weights(fitted).set_params(features__vgg16__weights=str(path))
    save_pipeline(pipeline, tmp_path / "model.fishsk")
    write_safetensors(path, mean="[1, 2, 3]")
    with pytest.raises(ValueError, match="of step 'features__vgg16' must be those"):
        load_pipeline(tmp_path / "model.fishsk")


def test_a_part_that_gives_another_number_of_features_is_not_saved(fitted, tmp_path):
    pipeline = make_with_weights(fitted).set_params(features__vgg16__layers=["block1_pool"])
    with pytest.raises(ValueError, match=r"as many features as it was fitted on, 12.* give 8"):
        save_pipeline(pipeline, tmp_path / "model.fishsk")


def test_a_part_that_cannot_be_saved_is_named(with_colors, tmp_path):
    with pytest.raises(ValueError, match="features__functiontransformer"):
        save_pipeline(with_colors, tmp_path / "model.fishsk")


@pytest.mark.parametrize("weighs", [False, True])
def test_one_keras_model_gives_the_same_probabilities(fitted, fish, tmp_path, weighs):
    pipeline = make_with_weights(fitted) if weighs else fitted
    export_model(pipeline, tmp_path / "fish.keras")
    model = keras.saving.load_model(tmp_path / "fish.keras")
    np.testing.assert_allclose(model.predict(fish[0], verbose=0), pipeline.predict_proba(fish[0]), atol=1e-5)


def test_two_parts_of_one_network_can_be_exported(backbones, fish, tmp_path):
    pipeline = make_fish_pipeline(
        backbone=[backbones[1], backbones[1]], features__input_range=(0, 256), head__epochs=1, random_state=0
    ).fit(*fish)
    export_model(pipeline, tmp_path / "fish.keras")


def test_networks_alone_are_explained_by_gradients(fitted, fish):
    found = explain_images(fitted, fish[0][:2])
    assert found.method == "integrated_gradients"
    assert all(np.abs(heat).sum() > 0 for heat in found.maps)


def test_what_is_no_network_or_reads_pixels_otherwise_is_explained_by_occlusion(with_colors, backbones, fish):
    assert explain_images(with_colors, fish[0][:1]).method == "occlusion"
    pipeline = make_pipeline(backbones, features__vgg16__input_range=(0, 256)).fit(*fish)
    assert explain_images(pipeline, fish[0][:1]).method == "occlusion"


def test_a_report_names_the_weights_of_both(fitted, fish, tmp_path):
    X, y = fish[0][:10], fish[1][:10]
    path = write_report(fitted, X, y, tmp_path / "report.html", max_images=4, explain=False)
    page = path.read_text(encoding="utf-8")
    for part in find_frozen_parts(fitted["features"]).values():
        assert part.weights_digest in page


def test_the_page_on_this_machine_answers(fitted, fish):
    answers = Answers(fitted)
    assert answers.step_names == (
        "KerasFeatureTransformer, VGG16FeatureTransformer, StandardScaler, KerasHeadClassifier"
    )
    image = to_file(fish[0][0])
    assert len(answers.predict(image)["classes"]) == 5
    assert answers.explain(image)["method"] == "integrated gradients"


def test_displays_and_tables_use_both(fitted, fish):
    X, y = fish
    assert FeatureMapDisplay.from_estimator(fitted, X, y).places.shape == (60, 2)
    for estimator in (fitted, fitted["features"]):
        display = SimilarImagesDisplay.from_estimator(estimator, X[7], X, n_images=3)
        assert display.indices[0] == 7
    assert len(find_unfamiliar(fitted, X[:3], X).distance) == 3


def test_no_part_outweighs_the_others_where_images_are_compared(fitted, fish):
    rows = find_features(fitted, fish[0])
    lengths = [np.linalg.norm(part, axis=1) for part in (rows[:, :4], rows[:, 4:])]
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_what_fits_many_times_runs_the_networks_first(backbones, fish):
    learner, rows = run_frozen_steps(make_pipeline(backbones), fish[0])
    assert list(learner.named_steps) == ["scale", "head"]
    assert rows.shape == (60, 12)


def test_a_search_tries_the_layers_of_one_part(backbones, fish, n_extracted):
    pipeline = make_pipeline(backbones)
    space = default_search_space(pipeline) | {
        "features__vgg16__layers": [["block1_pool"], ["block2_pool"]],
        "head__epochs": [1, 2],
    }
    search = OptunaSearchCV(pipeline, space, n_trials=4, cv=2, random_state=0).fit(*fish)
    assert search.best_params_["features__vgg16__layers"] in (["block1_pool"], ["block2_pool"])
    assert n_extracted() <= 3 * len(fish[0])


def test_a_lazy_array_stays_lazy(fitted, fish):
    dask_array = pytest.importorskip("dask.array", reason="needs dask: pip install 'fishsk[dask]'")
    X = dask_array.from_array(fish[0], chunks=(20, 32, 32, 3))
    features = fitted["features"].transform(X)
    assert isinstance(features, dask_array.Array)
    np.testing.assert_array_equal(features.compute(), fitted["features"].transform(fish[0]))


def test_the_cache_holds_the_rows_of_both(fitted, cached):
    networks = {part["n_features"] for part in cache_info(cached)["stores"]}
    assert {4, 8} <= networks


def test_a_progress_bar_is_shown_for_each(backbones, fish, capsys):
    pipeline = make_pipeline(backbones, features__cache=None, features__verbose=1)
    pipeline["features"].transform(fish[0])
    shown = capsys.readouterr().err
    assert "narrow" in shown
    assert "VGG16" in shown
