"""PCA of embeddings as an affine map, with optional whitening: the points that K-means clusters."""

import numpy as np
from jaxtyping import Float32, Float64

from pipeline.cluster_store import Projection


def fit_projection(
    embeddings: Float32[np.ndarray, "n d"], components: int, whiten: bool, centre: bool = True
) -> Projection:
    """PCA to min(components, d) directions of largest variance; with `whiten` each gets unit variance.

    Without `centre` they are those of the largest second moment, and a full projection keeps lengths and angles.
    The largest entry of every direction is positive, so that the result does not depend on the solver's signs.
    Directions without variance (there are some when n <= d) are projected to 0: whitening would only blow up noise.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64) * centre
    centred = embeddings - mean
    covariance = centred.T @ centred / max(1, len(embeddings) - 1)
    ascending, vectors = np.linalg.eigh(covariance)
    variances, vectors = ascending[::-1][:components], vectors[:, ::-1][:, :components]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    matrix = vectors * np.sign(largest) * _scales(variances, whiten)
    return Projection(mean.astype(np.float32), matrix.astype(np.float32))


def _scales(variances: Float64[np.ndarray, " p"], whiten: bool) -> Float64[np.ndarray, " p"]:
    # Rounding of float32 embeddings alone leaves a standard deviation of about 1e-7 of the largest.
    usable = variances > 1e-12 * max(variances[0], 1e-12)
    scales = 1 / np.sqrt(np.where(usable, variances, 1)) if whiten else np.ones_like(variances)
    return np.where(usable, scales, 0)
