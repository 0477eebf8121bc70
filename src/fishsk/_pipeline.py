"""make_fish_pipeline: frozen VGG16 features and a Keras head as one scikit-learn Pipeline."""

from __future__ import annotations

from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from fishsk._compat.sklearn import StrOptions, validate_params
from fishsk.features import VGG16FeatureTransformer
from fishsk.head import KerasHeadClassifier

# What cross-validation on training images showed best, by weights (docs: "Which weights?"); weights
# that are not named here get those of ImageNet.
_DEFAULT_RECIPES: dict[str | None, dict[str, object]] = {
    "imagenet": {"features__layers": ["block4_pool", "block5_pool"]},
    "cifar95": {
        "features__layers": ["block3_pool", "block4_pool", "block5_pool"],
        "features__pooling": None,
        "features__mirror": True,
        "head__l2": 1e-3,
    },
    None: {"features__layers": ["block1_pool", "block2_pool", "block3_pool"]},
}
_REPORT_RECIPE: dict[str, object] = {
    "features__pooling": None,
    "features__preprocessing": "unit",
    "scale": "passthrough",
    "head__hidden_units": 512,
    "head__dropout": 0.5,
    "head__learning_rate": 1e-3,
    "head__epochs": 20,
    "head__batch_size": 32,
    "head__lr_factor": 0.5,
    "head__lr_patience": 3,
}


@validate_params({"recipe": [StrOptions({"default", "report"})]}, prefer_skip_nested_validation=True)
def make_fish_pipeline(*, recipe="default", weights="imagenet", random_state=None, verbose=0, **params):
    """Return a Pipeline from images to class labels: frozen VGG16 features, then a small network.

    Parameters
    ----------
    recipe : {"default", "report"}, default="default"
        ``"default"`` is what cross-validation on training images showed best for these weights. ``"report"``
        is the network and training of the technical report that fishsk came from: flattened maps of VGG16 on
        pixels divided by 255, Dense(512, relu), Dropout(0.5), softmax, 20 epochs of Adam with the learning
        rate halved on plateaus; its validation images come out of the training images.
    weights : {"imagenet", "cifar95"}, path-like or None, default="imagenet"
        The frozen weights, as in `VGG16FeatureTransformer`.
    random_state : int, RandomState instance or None, default=None
        Seeds the head: its first weights, dropout, shuffling and validation split. The same int gives the
        same bits.
    verbose : int, default=0
        1 shows progress bars.
    **params : dict
        Parameters of the steps in scikit-learn's spelling, such as ``head__dropout=0.2``,
        ``features__image_size=64``, or ``scale="passthrough"``. They win over the recipe.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its steps are "features" (`VGG16FeatureTransformer`), "scale" (`StandardScaler`; "passthrough" in the
        report's recipe) and "head" (`KerasHeadClassifier`).

    See Also
    --------
    VGG16FeatureTransformer : What its first step takes as images.
    KerasHeadClassifier : What its last step learns.

    Examples
    --------
    >>> from fishsk import make_fish_pipeline
    >>> pipeline = make_fish_pipeline(weights="cifar95", random_state=0, head__dropout=0.2)
    >>> [name for name, _ in pipeline.steps]
    ['features', 'scale', 'head']
    >>> pipeline["head"].dropout
    0.2
    """
    pipeline = Pipeline(
        [
            ("features", VGG16FeatureTransformer(weights=weights, verbose=verbose)),
            ("scale", StandardScaler()),
            ("head", KerasHeadClassifier(random_state=random_state, verbose=verbose)),
        ]
    )
    name = weights if weights is None or weights in _DEFAULT_RECIPES else "imagenet"
    defaults = _REPORT_RECIPE if recipe == "report" else _DEFAULT_RECIPES[name]
    return pipeline.set_params(**defaults).set_params(**params)
