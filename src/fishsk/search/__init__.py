"""Hyperparameter search on Optuna: the search, its space, its study, its trials.

It tunes any estimator of scikit-learn, and knows neither images nor networks.
"""

from fishsk.search._search import OptunaSearchCV
from fishsk.search._space import default_search_space

__all__ = ["OptunaSearchCV", "default_search_space"]
