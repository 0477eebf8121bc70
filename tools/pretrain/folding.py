"""Fold batch normalization and a skip into the convolution before them, exactly."""

import numpy as np


def fold_convolution(kernel, gamma, beta, mean, variance, *, epsilon, skip=False):
    """Return kernel and bias of the one convolution that equals three steps.

    The steps are a convolution without bias, batch normalization with fixed statistics, and, with `skip`,
    the addition of the convolution's input.

    Parameters
    ----------
    kernel : ndarray of shape (height, width, n_in, n_out)
        Of the convolution; odd height and width, padding "same".
    gamma, beta, mean, variance : ndarray of shape (n_out,)
        Of batch normalization.
    epsilon : float
        What batch normalization adds to the variance.
    skip : bool, default=False
        Whether the input is added, for which n_in equals n_out.

    Returns
    -------
    kernel : ndarray of shape (height, width, n_in, n_out), float64
    bias : ndarray of shape (n_out,), float64
    """
    gain = np.asarray(gamma, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    folded = np.asarray(kernel, np.float64) * gain
    if skip:
        folded[folded.shape[0] // 2, folded.shape[1] // 2] += np.eye(folded.shape[2])
    return folded, np.asarray(beta, np.float64) - np.asarray(mean, np.float64) * gain
