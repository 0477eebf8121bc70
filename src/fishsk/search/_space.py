"""The space that OptunaSearchCV samples: from what users write to Optuna's distributions and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

Space = dict[str, tuple[Any, Callable[[Any], Any] | None]]


def make_space(param_distributions: dict[str, Any]) -> Space:
    """Return for each parameter its Optuna distribution, and what turns Optuna's value into the parameter."""
    return {name: _as_distribution(name, given) for name, given in param_distributions.items()}


def _as_distribution(name: str, given: Any) -> tuple[Any, Callable[[Any], Any] | None]:
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

    if isinstance(given, BaseDistribution):
        return given, None
    if isinstance(given, (list, tuple, np.ndarray)):
        return _categorical(name, list(given))
    if not _is_frozen(given):
        raise TypeError(
            f"param_distributions[{name!r}] must be a distribution of optuna.distributions, a frozen one of "
            f"scipy.stats, or a list of choices. Got {given!r}."
        )
    low, high = (np.asarray(end).item() for end in given.support())
    if given.dist.name == "uniform":
        return FloatDistribution(low, high), None
    if given.dist.name in ("loguniform", "reciprocal") and np.isclose(given.median(), np.sqrt(low * high)):
        return FloatDistribution(low, high, log=True), None
    if given.dist.name == "randint":
        return IntDistribution(low, high), None
    # Any other law is sampled by its quantiles; its ends, which may be infinite, are left out.
    kind = int if hasattr(given, "pmf") else float
    return FloatDistribution(2**-20, 1 - 2**-20), lambda quantile: kind(given.ppf(quantile))


def _is_frozen(given: Any) -> bool:
    return hasattr(given, "dist") and hasattr(given, "ppf")


def _categorical(name: str, choices: list[Any]) -> tuple[Any, Callable[[Any], Any] | None]:
    from optuna.distributions import CategoricalDistribution

    if not choices:
        raise ValueError(f"param_distributions[{name!r}] must hold at least one choice. Got an empty list.")
    choices = [choice.item() if isinstance(choice, np.generic) else choice for choice in choices]
    plain = all(choice is None or isinstance(choice, (bool, int, float, str)) for choice in choices)
    if plain and len(set(choices)) == len(choices):
        return CategoricalDistribution(choices), None
    # A study keeps only plain values: other choices go by a name that is the same in every process.
    labels = [f"{i}: {_label(choice)}" for i, choice in enumerate(choices)]
    return CategoricalDistribution(labels), lambda label: choices[labels.index(label)]


def _label(choice: Any) -> str:
    text = getattr(choice, "__qualname__", None) or re.sub(r" at 0x[0-9a-fA-F]+", "", repr(choice))
    return " ".join(text.split())[:80]


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Return the parameters that a running trial is to try."""
    from optuna.distributions import FloatDistribution, IntDistribution

    values = {}
    for name, (d, _) in space.items():
        if isinstance(d, FloatDistribution):
            values[name] = trial.suggest_float(name, d.low, d.high, step=d.step, log=d.log)
        elif isinstance(d, IntDistribution):
            values[name] = trial.suggest_int(name, d.low, d.high, step=d.step, log=d.log)
        else:
            values[name] = trial.suggest_categorical(name, d.choices)
    return decode_params(space, values)


def decode_params(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    """Return the estimator's parameters for the values that a trial holds."""
    return {
        name: values[name] if decode is None else decode(values[name])
        for name, (_, decode) in space.items()
        if name in values
    }


def describe_space(param_distributions: dict[str, Any]) -> dict[str, Any]:
    """Return what tells one space from another; frozen distributions hold a random state that does not."""
    return {
        name: (given.dist.name, given.args, given.kwds) if _is_frozen(given) else given
        for name, given in param_distributions.items()
    }


def default_search_space(pipeline):
    """Return distributions of what is worth searching in a pipeline with a Keras head.

    Only the head is searched, since its candidates share one pass of the features; the example shows how to
    search settings of the features too.

    Parameters
    ----------
    pipeline : estimator object
        A `KerasHeadClassifier`, or a Pipeline or another meta-estimator that holds one.

    Returns
    -------
    dict of str to optuna.distributions.BaseDistribution
        Distributions of the head's parameters, under the names that `pipeline` knows them by.

    Raises
    ------
    ValueError
        If `pipeline` holds no `KerasHeadClassifier`.

    See Also
    --------
    OptunaSearchCV : What takes it as `param_distributions`.

    Examples
    --------
    >>> from fishsk import default_search_space, make_fish_pipeline
    >>> space = default_search_space(make_fish_pipeline(weights="cifar95"))
    >>> sorted(space)[:3]
    ['head__batch_size', 'head__dropout', 'head__epochs']
    >>> space = space | {"features__pooling": ["avg", "max"]}
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from fishsk.head import KerasHeadClassifier

    parts = pipeline.get_params() if hasattr(pipeline, "get_params") else {}
    prefixes = [f"{name}__" for name, part in parts.items() if isinstance(part, KerasHeadClassifier)]
    if isinstance(pipeline, KerasHeadClassifier):
        prefixes = [""]
    if not prefixes:
        raise ValueError(
            f"pipeline must be a KerasHeadClassifier or hold one. Got {pipeline!r}. "
            "Write param_distributions for it yourself."
        )
    space = {
        "hidden_units": CategoricalDistribution([0, 64, 128, 256, 512, 1024]),
        "dropout": FloatDistribution(0.0, 0.7),
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "l2": FloatDistribution(1e-7, 1e-2, log=True),
        "batch_size": CategoricalDistribution([16, 32, 64, 128]),
        "epochs": IntDistribution(5, 50),
    }
    return {min(prefixes, key=len) + name: distribution for name, distribution in space.items()}
