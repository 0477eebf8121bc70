"""Which form of images works in which of scikit-learn's meta-estimators: what runs is the docs' table."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    learning_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images

PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "features.rst"
N = 36
X, Y = make_fish_images(N, random_state=0)
X, Y = np.ascontiguousarray(X[:, ::8, ::8]), Y % 3  # of 48 numbers, which can be permuted one by one
FORMS = ("arrays", "list of paths", "column of paths", "``image_shape``")


def fit(estimator, y=Y):
    return lambda images: estimator.fit(images, y).predict(images)


def make(form):
    """Return a small pipeline for images of a form."""
    image_shape = (4, 4, 3) if form == "``image_shape``" else None
    features = VGG16FeatureTransformer(weights="cifar95", image_shape=image_shape)
    return make_pipeline(features, StandardScaler(), LogisticRegression())


UNLABELED = np.where(np.arange(N) % 3, Y, -1)
PAIRS = np.column_stack([Y > 0, Y > 1]).astype(int)
METAS = {
    "cross_val_predict": lambda e: lambda images: cross_val_predict(e, images, Y, cv=2),
    "learning_curve": lambda e: (
        lambda images: learning_curve(e, images, Y, cv=2, train_sizes=[0.9], error_score="raise")
    ),
    "GridSearchCV": lambda e: fit(GridSearchCV(e, {"logisticregression__C": [1]}, cv=2, error_score="raise")),
    "CalibratedClassifierCV": lambda e: fit(CalibratedClassifierCV(e, cv=2)),
    "FixedThresholdClassifier": lambda e: fit(FixedThresholdClassifier(e), Y > 0),
    "TunedThresholdClassifierCV": lambda e: fit(TunedThresholdClassifierCV(e, cv=2), Y > 0),
    "VotingClassifier": lambda e: fit(VotingClassifier([("a", e), ("b", clone(e))])),
    "StackingClassifier": lambda e: fit(StackingClassifier([("a", e), ("b", clone(e))], cv=2)),
    "BaggingClassifier": lambda e: fit(BaggingClassifier(e, n_estimators=2, random_state=0)),
    "AdaBoostClassifier": lambda e: fit(AdaBoostClassifier(e, n_estimators=2)),
    "OneVsRestClassifier": lambda e: fit(OneVsRestClassifier(e)),
    "OneVsOneClassifier": lambda e: fit(OneVsOneClassifier(e)),
    "OutputCodeClassifier": lambda e: fit(OutputCodeClassifier(e, random_state=0)),
    "SelfTrainingClassifier": lambda e: fit(SelfTrainingClassifier(e), UNLABELED),
    "MultiOutputClassifier": lambda e: fit(MultiOutputClassifier(e), PAIRS),
    "ClassifierChain": lambda e: fit(ClassifierChain(e), PAIRS),
    "permutation_importance": lambda e: (
        lambda images: permutation_importance(e.fit(images, Y), images, Y, n_repeats=1, max_samples=2)
    ),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return the same images in each form."""
    folder = tmp_path_factory.mktemp("images")
    paths = [str(folder / f"{place}.png") for place in range(N)]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    forms = (X, paths, pd.DataFrame({"path": paths}), X.reshape(N, -1))
    return dict(zip(FORMS, forms, strict=True))


def read_table():
    """Return the rows of the table in the docs: what works, by meta-estimator and form."""
    text = PAGE.read_text(encoding="utf-8").partition(".. meta-estimators")[2]
    rows = re.findall(r"^   \* - (.+)((?:\n     - .+){4})", text, re.MULTILINE)
    cells = {name.strip("`"): re.findall(r"- (.+)", rest) for name, rest in rows[1:]}
    return {name: dict(zip(FORMS, found, strict=True)) for name, found in cells.items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("meta", METAS)
def test_the_table_of_meta_estimators_says_what_works(images, meta):
    found = {}
    for form in FORMS:
        try:
            METAS[meta](make(form))(images[form])
            found[form] = "yes"
        except (TypeError, ValueError):
            found[form] = "no"
    assert found == read_table()[meta]


def test_the_table_lists_every_meta_estimator_that_is_run():
    assert list(read_table()) == list(METAS)


@pytest.mark.parametrize(
    "meta", [OneVsOneClassifier, SelfTrainingClassifier, BaggingClassifier, AdaBoostClassifier]
)
def test_behind_the_features_every_meta_estimator_works(meta):
    features = VGG16FeatureTransformer(weights="cifar95")
    pipeline = make_pipeline(features, StandardScaler(), meta(LogisticRegression()))
    y = UNLABELED if meta is SelfTrainingClassifier else Y
    assert set(pipeline.fit(X, y).predict(X)) <= {0, 1, 2}
