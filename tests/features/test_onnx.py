"""OnnxFeatureTransformer: networks in ONNX files, what they give, and which files are refused."""

import os
import subprocess
import sys

import keras
import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_networks import Graph, write_convolutions, write_transformer
from quick import forget_networks
from sklearn.linear_model import LogisticRegression

from fishsk import (
    ExplanationDisplay,
    KerasFeatureTransformer,
    OnnxFeatureTransformer,
    export_model,
    load_pipeline,
    make_fish_pipeline,
    save_pipeline,
)
from fishsk.datasets import make_fish_images
from fishsk.features import _onnx_file

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(12, random_state=0)


@pytest.fixture
def network(tmp_path):
    return write_convolutions(tmp_path / "network.onnx")


def evaluate(path, images, name):
    """Return a value of a network by ONNX's own reference, of images as the network takes them."""
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    return ReferenceEvaluator(model).run(None, {"images": images.astype(np.float32)})[0]


def normalize(images, mean=MEAN, std=STD):
    return ((images / 255 - mean) / std).transpose(0, 3, 1, 2)


# What it gives


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ("avg", lambda maps: maps.mean(axis=(2, 3))),
        ("max", lambda maps: maps.max(axis=(2, 3))),
        (None, lambda maps: maps.transpose(0, 2, 3, 1).reshape(len(maps), -1)),
    ],
    ids=["avg", "max", "none"],
)
def test_features_are_those_of_the_reference(network, fish, pooling, pool):
    rows = OnnxFeatureTransformer(network, layers=["block2", "block1"], pooling=pooling).transform(fish[0])
    images = normalize(fish[0])
    expected = np.hstack([pool(evaluate(network, images, name)) for name in ("block2", "block1")])
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("preprocessing", "mean", "std"),
    [
        ("imagenet", MEAN, STD),
        ("clip", [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
        ("unit", 0, 1),
        ("tf", 0.5, 0.5),
        (((0.1, 0.2, 0.3), [0.4, 0.5, 0.6]), [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]),
        (None, 0, 1 / 255),
    ],
    ids=["imagenet", "clip", "unit", "tf", "numbers", "none"],
)
def test_images_are_preprocessed_as_the_network_was_trained(network, fish, preprocessing, mean, std):
    rows = OnnxFeatureTransformer(network, preprocessing=preprocessing).transform(fish[0])
    expected = evaluate(network, normalize(fish[0], mean, std), "scores")
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_network_of_channels_last_gives_the_same(network, fish, tmp_path):
    turned = write_convolutions(tmp_path / "turned.onnx", channels_last=True)
    layers = ["block1", "block2", "scores"]
    expected = OnnxFeatureTransformer(network, layers=layers).transform(fish[0])
    rows = OnnxFeatureTransformer(turned, layers=layers).transform(fish[0])
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-6)
    of_map = OnnxFeatureTransformer(turned, layers="turned").transform(fish[0])
    np.testing.assert_allclose(of_map, expected[:, 8:24], rtol=1e-5, atol=1e-6)


def test_the_channels_of_a_map_are_found_by_what_computes_it(tmp_path):
    cube = write_convolutions(tmp_path / "cube.onnx", size=(16, 16))  # whose first map is 8 x 8 x 8
    turned = write_convolutions(tmp_path / "turned.onnx", size=(64, 64), channels_last=True)
    first = OnnxFeatureTransformer(cube)._settings().backbone.description.channels_first
    assert {"block1", "block2"} <= set(first)
    found = OnnxFeatureTransformer(turned)  # whose second map is 16 x 16 x 16
    assert found.list_layers()["turned"] == (16, 16, 16)
    assert "turned" not in found._settings().backbone.description.channels_first


def test_tokens_are_averaged_or_the_first_is_taken(fish, tmp_path):
    path = write_transformer(tmp_path / "vit.onnx")
    tokens = evaluate(path, normalize(fish[0]), "tokens")
    assert tokens.shape == (12, 17, 24)
    for pooling, expected in (("avg", tokens.mean(axis=1)), ("first", tokens[:, 0])):
        rows = OnnxFeatureTransformer(path, pooling=pooling).transform(fish[0])
        np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")  # tf2onnx calls what TensorFlow and NumPy deprecate
def test_a_network_that_keras_exports_gives_the_features_of_keras(fish, tmp_path):
    pytest.importorskip("tf2onnx")
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(8, 3), keras.layers.MaxPooling2D()]
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers])
    model(np.zeros((1, 32, 32, 3)))
    model.export(tmp_path / "network.onnx", format="onnx", verbose=False)
    network = OnnxFeatureTransformer(tmp_path / "network.onnx", preprocessing=None)
    expected = KerasFeatureTransformer(backbone=model).transform(fish[0])
    np.testing.assert_allclose(network.transform(fish[0]), expected, rtol=1e-4, atol=1e-5)


def test_half_precision_is_recognized(fish, tmp_path):
    graph = Graph()
    weights = graph.constant(graph.random.standard_normal((4, 3, 3, 3)).astype(np.float16))
    graph.add("Conv", "images", weights, name="maps")
    path = graph.save(tmp_path / "half.onnx", [1, 3, 32, 32], "maps", kind=onnx.TensorProto.FLOAT16)
    assert OnnxFeatureTransformer(path).transform(fish[0]).dtype == np.float32


def test_layers_are_listed_with_the_channels_last(network):
    layers = OnnxFeatureTransformer(network).list_layers()
    assert (layers["block1"], layers["block2"], layers["scores"]) == ((16, 16, 8), (8, 8, 16), (5,))
    names = OnnxFeatureTransformer(network, layers="block2").get_feature_names_out()
    assert names[[0, -1]].tolist() == ["block2_avg_0", "block2_avg_15"]


def test_layers_behind_the_last_are_never_computed(fish, tmp_path):
    graph = Graph()
    graph.add("Conv", "images", graph.draw(4, 3, 3, 3), name="maps")
    graph.add("Loop", graph.constant(np.array(2**40)), "", "maps", name="never", body=make_endless_body())
    path = graph.save(tmp_path / "loop.onnx", [1, 3, 32, 32], "never", "maps")
    session, _ = _onnx_file.as_onnx_file(path).load((32, 32), ["maps"])
    assert session.run(["maps"], {"images": np.zeros((1, 3, 32, 32), np.float32)})[0].shape == (1, 4, 30, 30)


def make_endless_body():
    """Return a body of a loop that keeps what it gets."""
    helper, kinds = onnx.helper, onnx.TensorProto
    values = [("i", kinds.INT64, []), ("go", kinds.BOOL, []), ("kept", kinds.FLOAT, None)]
    inputs = [helper.make_tensor_value_info(*value) for value in values]
    outputs = [helper.make_tensor_value_info(f"{name}_out", *rest) for name, *rest in values[1:]]
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name, *_ in values[1:]]
    return helper.make_graph(nodes, "body", inputs, outputs)


def test_what_a_graph_inside_of_a_node_needs_is_kept(fish, tmp_path):
    graph = Graph()
    graph.add("Conv", "images", graph.draw(4, 3, 3, 3), name="maps")
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["maps"], ["inner"])],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, None)],
    )
    graph.add("If", graph.constant(np.array(True)), name="outer", then_branch=branch, else_branch=branch)
    path = graph.save(tmp_path / "if.onnx", [None, 3, 32, 32], "outer")
    expected = np.maximum(evaluate(path, normalize(fish[0]), "maps"), 0).mean(axis=(2, 3))
    rows = OnnxFeatureTransformer(path).transform(fish[0])
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


# Sizes


def test_the_size_is_the_file_s_or_224_or_what_is_asked_for(network, tmp_path):
    free = write_convolutions(tmp_path / "free.onnx", size=("height", "width"))
    assert OnnxFeatureTransformer(network)._settings().image_size == (32, 32)
    assert OnnxFeatureTransformer(free)._settings().image_size == (224, 224)
    asked = OnnxFeatureTransformer(free, image_size=(64, 48), layers="block2")
    assert asked.list_layers()["block2"] == (16, 12, 16)


@pytest.mark.parametrize(
    ("size", "asked", "words"),
    [((32, 32), 64, r"image_size must be \(32, 32\)"), ((None, None), 5000, "at most 4096 pixels")],
    ids=["another", "absurd"],
)
def test_sizes_that_cannot_be_are_refused(tmp_path, size, asked, words):
    path = write_convolutions(tmp_path / "network.onnx", size=size)
    with pytest.raises(ValueError, match=words):
        OnnxFeatureTransformer(path, image_size=asked).fit([np.zeros((8, 8, 3), np.uint8)])


# The same bits


@pytest.mark.parametrize("write", [write_convolutions, write_transformer])
def test_a_row_has_the_same_bits_in_every_batch_and_order_and_for_any_threads(
    fish, monkeypatch, tmp_path, write
):
    network = OnnxFeatureTransformer(write(tmp_path / "network.onnx"), cache=None)
    rows = network.transform(fish[0])
    for n_threads in (1, 2, 5):
        monkeypatch.setattr(_onnx_file, "cpu_count", lambda n_threads=n_threads: n_threads)
        for batch_size in (1, 2, 5, 12):
            again = network.set_params(batch_size=batch_size).transform(fish[0][::-1])
            np.testing.assert_array_equal(again[::-1], rows)
    np.testing.assert_array_equal(network.transform(fish[0][3:4]), rows[3:4])


@pytest.mark.parametrize("write", [write_convolutions, write_transformer])
def test_a_file_for_one_image_gives_the_same_bits_as_one_for_any_number(fish, tmp_path, write):
    rows = [
        OnnxFeatureTransformer(write(tmp_path / f"{batch}.onnx", batch=batch)).transform(fish[0])
        for batch in (1, "batch", None)
    ]
    np.testing.assert_array_equal(rows[1], rows[0])
    np.testing.assert_array_equal(rows[2], rows[0])


def test_views_are_those_of_every_transformer(network, fish):
    mean = OnnxFeatureTransformer(network, views="mirror").transform(fish[0])
    plain = OnnxFeatureTransformer(network)
    both = [plain.transform(images) for images in (fish[0], fish[0][:, :, ::-1].copy())]
    np.testing.assert_array_equal(mean, sum(both) / np.float32(2))


# The store


def test_an_image_is_run_once_and_known_ones_need_no_onnx(network, fish, n_extracted, tmp_path):
    OnnxFeatureTransformer(network).transform(fish[0])
    np.save(tmp_path / "X.npy", fish[0])
    program = (
        "import sys; import numpy as np; from fishsk import OnnxFeatureTransformer;"
        f"print(OnnxFeatureTransformer({str(network)!r}).transform(np.load(sys.argv[1])).shape);"
        "print({'onnx', 'onnxruntime', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program, tmp_path / "X.npy"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "(12, 5)\nset()\n"
    assert n_extracted() == 12


def test_another_file_has_rows_of_its_own(network, fish, n_extracted):
    OnnxFeatureTransformer(network).transform(fish[0])
    write_convolutions(network, batch=1)
    OnnxFeatureTransformer(network).transform(fish[0])
    os.rename(network, network.with_name("moved.onnx"))
    OnnxFeatureTransformer(network.with_name("moved.onnx")).transform(fish[0])  # is known by its content
    assert n_extracted() == 24


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_runs_the_network(network, fish):
    transformer = OnnxFeatureTransformer(network, cache=None)
    rows = transformer.transform(fish[0])
    if (pid := os.fork()) == 0:
        os._exit(0 if np.array_equal(transformer.transform(fish[0]), rows) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# Inside the rest


def test_a_path_makes_the_pipeline_alone_and_side_by_side(network, fish, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("network.onnx", network):
        assert isinstance(make_fish_pipeline(backbone=path)["features"], OnnxFeatureTransformer)
    pipeline = make_fish_pipeline(
        backbone=["network.onnx", "vgg16.cifar95"],
        head=LogisticRegression(),
        features__network__layers="block2",
    )
    pipeline.fit(*fish)
    assert pipeline["features"].get_feature_names_out()[0] == "network__block2_avg_0"
    assert pipeline.predict(fish[0]).shape == (12,)


def test_a_saved_pipeline_wants_the_file_that_it_was_fitted_with(network, fish, tmp_path):
    params = {"features__layers": "block2", "features__preprocessing": ((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))}
    pipeline = make_fish_pipeline(backbone=network, head=LogisticRegression(), **params).fit(*fish)
    save_pipeline(pipeline, tmp_path / "model.fishsk")
    loaded = load_pipeline(tmp_path / "model.fishsk")
    np.testing.assert_array_equal(loaded.predict_proba(fish[0]), pipeline.predict_proba(fish[0]))
    write_convolutions(network, batch=1)
    with pytest.raises(ValueError, match="must be those that the pipeline was fitted with"):
        load_pipeline(tmp_path / "model.fishsk")
    network.unlink()
    with pytest.raises(ValueError, match=r"an \.onnx file that is there. Got '.*network\.onnx'"):
        load_pipeline(tmp_path / "model.fishsk")


def test_dask_arrays_stay_lazy(network, fish):
    array = pytest.importorskip("dask.array")
    transformer = OnnxFeatureTransformer(network)
    lazy = transformer.transform(array.from_array(fish[0], chunks=(5, -1, -1, -1)))
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), transformer.transform(fish[0]))


def test_heat_maps_come_from_occlusion(network, fish):
    pipeline = make_fish_pipeline(backbone=network, head__epochs=2, head__validation_fraction=0).fit(*fish)
    display = ExplanationDisplay.from_estimator(pipeline, fish[0][:1])
    assert display.method == "occlusion"


def test_what_needs_keras_says_that_it_cannot(network, fish, tmp_path):
    pipeline = make_fish_pipeline(backbone=network, head__epochs=2, head__validation_fraction=0).fit(*fish)
    with pytest.raises(ValueError, match="An OnnxFeatureTransformer is none of them: its netw"):
        export_model(pipeline, tmp_path / "model.keras")


# Files and parameters that are refused


@pytest.fixture
def refuse(tmp_path):
    """Return a function that fits a transformer of a file, and wants its error."""

    def check(content, words, **params):
        path = content
        if isinstance(content, bytes):
            path = tmp_path / "refused.onnx"
            path.write_bytes(content)
        with pytest.raises(ValueError, match=words):
            OnnxFeatureTransformer(path, **params).fit([np.zeros((8, 8, 3), np.uint8)])

    return check


def test_what_is_no_network_is_refused(refuse, network, tmp_path):
    refuse(b"no network", "holds no network")
    refuse(b"", r"a network of one input.*Its inputs are \{\}")
    refuse(network.read_bytes()[:500], "holds no network")
    refuse(tmp_path / "missing.onnx", "must be that of an .onnx file")
    refuse(tmp_path, "must be that of an .onnx file")


def test_a_network_that_names_another_file_is_refused(refuse, network, tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(10**4))
    model = onnx.load(network)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    refuse(model.SerializeToString(), "in other files, which are not read")


def test_an_operator_of_others_is_refused(refuse, tmp_path):
    graph = Graph()
    graph.add("Dream", "images", name="maps", domain="company")
    refuse(graph.save(tmp_path / "custom.onnx", [1, 3, 8, 8], "maps", domain="company"), "run by onnxruntime")


def test_absurd_sizes_are_an_error_and_no_end_of_the_process(refuse, tmp_path):
    graph = Graph()
    graph.add("ConstantOfShape", graph.constant(np.array([1, 2**24, 2**24])), name="maps")
    refuse(graph.save(tmp_path / "bomb.onnx", [1, 3, 8, 8], "maps"), "run by onnxruntime")


@pytest.mark.parametrize(
    "shape", [[4, 3, 32, 32], [1, 3, 32], [1, 1, 32, 32], [1, None, 32, None], [1, 3, 32, 3]], ids=str
)
def test_a_network_of_something_else_than_one_image_is_refused(refuse, tmp_path, shape):
    graph = Graph()
    graph.add("Relu", "images", name="maps")
    refuse(graph.save(tmp_path / "other.onnx", shape, "maps"), r"a network of one input.*Its inputs are")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"layers": "block3"}, r"Got 'block3'. The nearest names are block\d, block\d"),
        ({"layers": "block1", "pooling": "first"}, "'block1' is a map"),
        ({"preprocessing": ((0, 0, 0), (1, 1, 0))}, "preprocessing must be one of"),
        ({"preprocessing": (0.5, 0.5)}, "preprocessing must be one of"),
        ({"preprocessing": "caffe"}, "'preprocessing' parameter"),
    ],
    ids=["layer", "first", "no spread", "no triples", "of Keras"],
)
def test_parameters_that_cannot_be_are_refused(refuse, network, params, words):
    refuse(network, words, **params)


def test_without_the_packages_the_error_names_the_command(network, fish, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # an import of it raises ImportError
    forget_networks()
    with pytest.raises(ImportError, match=r'pip install "fishsk\[onnx\]"'):
        OnnxFeatureTransformer(network, cache=None).fit(fish[0])
