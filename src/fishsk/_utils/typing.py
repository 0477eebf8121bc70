"""Types that several rooms share; imported only where types are checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from sklearn.model_selection import BaseCrossValidator

from fishsk._utils.files import StrPath

#: Images as `fishsk.features.check_images` takes them.
ImagesLike: TypeAlias = ArrayLike | Sequence[StrPath | BinaryIO | Image.Image]
#: What estimators call `random_state`.
RandomState: TypeAlias = int | np.random.RandomState | None
#: What scikit-learn calls `cv`.
Folds: TypeAlias = int | BaseCrossValidator | Iterable[tuple[np.ndarray, np.ndarray]] | None
