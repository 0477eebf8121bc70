"""Every private name of another package that fishsk uses is listed, stands in its place, and still exists."""

import argparse
import ast
import importlib
import inspect
import pkgutil
from functools import cache
from pathlib import Path

import keras
import optuna
import pytest
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import SVR

import fishsk

PACKAGE = Path(fishsk.__file__).parent
PACKAGES = ("keras", "optuna", "scikeras", "sklearn", "tensorflow")
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


# Private attributes that fishsk reads, calls or overrides, by what must have them.
ATTRIBUTES = {
    "argparse.ArgumentParser": (argparse.ArgumentParser, ["_actions"]),
    "keras.callbacks.Callback": (keras.callbacks.Callback, ["_model"]),
    "keras.Model": (keras.Model, ["_initial_epoch"]),
    "optuna.study.Study": (optuna.create_study, ["_storage", "_study_id"]),
    "optuna.trial.Trial": (lambda: optuna.create_study().ask(), ["_suggest", "_trial_id"]),
    "sklearn.base.BaseEstimator": (
        BaseEstimator,
        ["_doc_link_module", "_doc_link_template", "_get_param_names", "_validate_params"],
    ),
    "sklearn.ensemble.HistGradientBoostingRegressor": (
        lambda: HistGradientBoostingRegressor(max_iter=1).fit([[0.0], [1.0]], [0.0, 1.0]),
        ["_predictors"],
    ),
    "sklearn.svm.SVR": (
        lambda: SVR().fit([[0.0], [1.0]], [0.0, 1.0]),
        [
            "_dual_coef_",
            "_intercept_",
            "_n_support",
            "_probA",
            "_probB",
            "_sparse",
        ],
    ),
    "sklearn.pipeline.FeatureUnion": (
        lambda: FeatureUnion([]),
        ["_validate_transformer_weights", "_validate_transformers"],
    ),
    "sklearn.pipeline.Pipeline": (lambda: Pipeline([]), ["_validate_steps"]),
    "sklearn.callback.CallbackSupportMixin": (lambda: CallbackSupportMixin, ["_init_callback_context"]),
    "sklearn.model_selection._search.BaseSearchCV": (
        lambda: BaseSearchCV,
        [
            "_check_refit_for_multimetric",
            "_format_results",
            "_get_routed_params_for_fit",
            "_get_scorers",
            "_parameter_constraints",
            "_select_best_index",
        ],
    ),
    "sklearn.metrics._scorer._MultimetricScorer": (
        lambda: importlib.import_module("sklearn.metrics._scorer")._MultimetricScorer(scorers={}),
        ["_scorers"],
    ),
}
LISTED = {name for _, names in ATTRIBUTES.values() for name in names}

# Private names of other packages stand in `_compat`, those of scikeras in `head/_scikeras.py`; what a class
# inherits it may use where it is. These stand elsewhere still; the table only shrinks.
ELSEWHERE = {"cli/_main.py": {"_actions"}}  # there is no public list of a parser's arguments


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def may_use_private_names(module):
    return module.startswith("_compat/") or module == "head/_scikeras.py"


@cache
def parse(module):
    return list(ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))))


@cache
def list_defined(module):
    """Return the names that a module defines: functions, classes, variables, and attributes of `self`."""
    names = set()
    for node in parse(module):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
    return names


@cache
def list_everything():
    return set().union(*map(list_defined, MODULES))


@cache
def list_imports(module):
    """Return the full names of all that a module imports, wherever in it."""
    names = set()
    for node in parse(module):
        match node:
            case ast.Import(names=aliases):
                names.update(alias.name for alias in aliases)
            case ast.ImportFrom(module=source, names=aliases):
                names.update(f"{source}.{alias.name}" for alias in aliases)
    return names


def find_room(module):
    return module.removesuffix(".py").partition("/")[0]


def list_reachable(module):
    """Return where an object's private names may come from: this room, and the rooms that are imported."""
    rooms = {name.split(".")[1] for name in list_imports(module) if name.startswith("fishsk.")}
    return [other for other in MODULES if find_room(other) in rooms | {find_room(module)}]


def list_private_imports(module):
    return {
        name
        for name in list_imports(module)
        if name.startswith(PACKAGES)
        and (any(map(is_private, name.split("."))) or name.startswith(("keras.src", "tensorflow.python")))
    }


def list_private_attributes(module, *, inherited):
    """Return the private attributes of others: those inherited by `self`, or those of objects."""
    defined = list_everything() if inherited else set().union(*map(list_defined, list_reachable(module)))
    names = set()
    for node in parse(module):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super"))):
                names |= {node.attr} if inherited else set()
            case (
                ast.Attribute(attr=name)
                | ast.Call(
                    func=ast.Name(id="getattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]
                )
            ):
                names |= set() if inherited else {name}
    return {name for name in names if is_private(name)} - defined


def list_overridden():
    """Return the private names that a class of fishsk's takes over from a class of one of the packages."""
    found = set()
    for info in pkgutil.walk_packages(fishsk.__path__, "fishsk."):
        module = importlib.import_module(info.name) if info.name != "fishsk.__main__" else fishsk
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if cls.__module__ == info.name:
                bases = [base for base in cls.__mro__ if base.__module__.startswith(PACKAGES)]
                found |= {
                    name for name in vars(cls) if is_private(name) for base in bases if name in vars(base)
                }
    return found & list_everything()  # a metaclass adds names that nobody wrote


@pytest.mark.parametrize("module", MODULES)
def test_private_names_of_other_packages_stand_in_one_place(module):
    found = list_private_imports(module) | list_private_attributes(module, inherited=False)
    allowed = found if may_use_private_names(module) else ELSEWHERE.get(module, set())
    assert found == allowed, f"move to fishsk._compat, or strike off ELSEWHERE: {sorted(found ^ allowed)}"


def test_every_private_attribute_in_use_is_listed():
    found = list_overridden()
    for module in MODULES:
        found |= list_private_attributes(module, inherited=False)
        found |= list_private_attributes(module, inherited=True)
    assert sorted(found) == sorted(LISTED)


@pytest.mark.parametrize("name", sorted(set().union(*map(list_private_imports, MODULES))))
def test_the_private_import_exists(name):
    source, _, attribute = name.rpartition(".")
    module = importlib.import_module(source)
    assert hasattr(module, attribute), f"{source} has no {attribute} any more: fix the module that imports it"


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, (_, ns) in ATTRIBUTES.items() for name in ns]
)
def test_the_private_attribute_exists(owner, name):
    make, _ = ATTRIBUTES[owner]
    assert hasattr(make(), name), f"{owner} has no {name} any more"
