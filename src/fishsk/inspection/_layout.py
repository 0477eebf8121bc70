"""Where images lie in a plane, if those of like features are to be neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

METHODS = ("tsne", "umap")
_N_COMPONENTS = 50  # that neighbors are looked for in, as L. van der Maaten advises for t-SNE
_N_ITERATIONS = 500
_FEWEST = 10  # images; fewer have no neighborhoods to speak of
_PERPLEXITY = 30


def lay_out(features: np.ndarray, *, method: str = "tsne", random_state: Any = None) -> np.ndarray:
    """Return a place in a plane, horizontal and vertical, 0 to 1, for each row of features.

    Rows are scaled to length 1, so that their directions are compared, and reduced to 50 components. Of fewer
    than 10 rows it is the first two of these. ImportError if UMAP is asked for and umap-learn not installed.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}. Got {method!r}.")
    rows = normalize(features)
    n_components = min(_N_COMPONENTS, *rows.shape)
    # One thread gives the same bits in every process. On a busy machine several of t-SNE wait for each
    # other, ten times as long as they work.
    with threadpool_limits(1):
        places = PCA(n_components, random_state=0).fit_transform(rows) if len(rows) > 1 else np.zeros((1, 2))
        if len(rows) >= _FEWEST:
            places = _load_method(method, len(rows), random_state).fit_transform(places)
    places = np.hstack([places, np.zeros((len(rows), 2))])[:, :2]
    low, extent = places.min(axis=0), np.ptp(places, axis=0)
    return np.where(extent > 0, (places - low) / np.maximum(extent, 1e-12), 0.5)


def _load_method(method: str, n_samples: int, random_state: Any) -> Any:
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(_PERPLEXITY, (n_samples - 1) / 3)
        return TSNE(perplexity=perplexity, max_iter=_N_ITERATIONS, init="pca", random_state=random_state)
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "method='umap' needs the package umap-learn: python -m pip install 'fishsk[umap]'. "
            "method='tsne' needs nothing else."
        ) from error
    # One job, because UMAP warns that with a seed it has no more.
    return UMAP(n_neighbors=min(15, n_samples - 1), random_state=random_state, n_jobs=1)
