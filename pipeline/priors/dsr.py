"""Dense and sparse reconstruction: salient is what the superpixels along the image border cannot be combined to.

X. Li, H. Lu, L. Zhang, X. Ruan, M.-H. Yang, "Saliency detection via dense and sparse reconstruction", ICCV 2013.
A feature is mean RGB, mean Lab and position, each in [0, 1]: d = 8 numbers.
"""

import warnings
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, UInt8
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist
from skimage.color import rgb2lab

from pipeline.params import Dsr
from pipeline.priors.superpixels import pixel_grid, region_means, slic_labels, touches_border, unit_range

# Of the sparse reconstruction: after so many steps the errors are within 1 to 2 % of the largest from their limit.
PENALTY, RELAXATION, STEPS = 25.0, 1.6, 100
# Width of the Gaussian around the centre of saliency, as a fraction of height and width.
OBJECT_SIGMA = 0.25
# Bins of the saliency values whose frequency on and off the object is compared.
BINS = 60


def dsr(image: UInt8[np.ndarray, "h w 3"], settings: Dsr) -> Float32[np.ndarray, "h w"]:
    """Saliency in [0, 1] of an RGB image; all zero when no region stands out."""
    lab = rgb2lab(image)
    features = pixel_features(image, lab)
    total, weights = np.zeros((2, *image.shape[:2])), np.zeros(image.shape[:2])
    for scale in settings.scales:
        labels = slic_labels(lab, scale.superpixels, scale.compactness)
        regions, border = region_means(labels, features), touches_border(labels, band=1)
        # A scale counts where a pixel looks like the superpixel it belongs to.
        weight = 1 / (np.linalg.norm(features - regions[labels], axis=2) + 1e-10)
        total += weight * np.stack([error[labels] for error in region_errors(regions, border, settings)])
        weights += weight
    dense, sparse = (object_biased(unit_range(error)) for error in total / weights)
    return unit_range(posterior(dense, sparse) + posterior(sparse, dense)).astype(np.float32)


def pixel_features(
    image: UInt8[np.ndarray, "h w 3"], lab: Float64[np.ndarray, "h w 3"]
) -> Float64[np.ndarray, "h w 8"]:
    """RGB, Lab scaled to the range it has in the image, row and column, all in [0, 1]."""
    scaled = [unit_range(channel) for channel in np.moveaxis(lab, -1, 0)]
    return np.dstack([image / 255, *scaled, pixel_grid(*image.shape[:2])])


def region_errors(
    features: Float64[np.ndarray, "n d"], border: Bool[np.ndarray, " n"], settings: Dsr
) -> Iterator[Float64[np.ndarray, " n"]]:
    """Dense, then sparse reconstruction error of every superpixel in [0, 1], propagated among alike superpixels."""
    cluster = clusters_of(features, settings.clusters)
    background = features[border]
    yield propagated(dense_error(features, background, settings.energy), features, cluster)
    yield propagated(sparse_error(features, background, settings.sparsity), features, cluster)


def clusters_of(features: Float64[np.ndarray, "n d"], count: int) -> Int[np.ndarray, " n"]:
    """The K-means cluster of every superpixel, at most `count` of them, the same on every run."""
    with warnings.catch_warnings(action="ignore"):  # a cluster that lost its last member is none the worse here
        _, cluster = kmeans2(features, min(count, len(features)), minit="++", rng=0)
    return cluster


def dense_error(
    features: Float64[np.ndarray, "n d"], background: Float64[np.ndarray, "m d"], energy: float
) -> Float64[np.ndarray, " n"]:
    """Distance to the space of the background's principal components, in [0, 1].

    As many components as hold `energy` of the variance, and one more, as in the authors' code.
    """
    variance, components = np.linalg.eigh(np.cov(background.T, bias=True).reshape(features.shape[1], -1))
    held = np.cumsum(variance[::-1])
    kept = components[:, ::-1][:, : int(np.argmax(held >= energy * held[-1])) + 2]
    centred = features - features.mean(axis=0)
    return unit_range(np.linalg.norm(centred - centred @ kept @ kept.T, axis=1))


def sparse_error(
    features: Float64[np.ndarray, "n d"], background: Float64[np.ndarray, "m d"], sparsity: float
) -> Float64[np.ndarray, " n"]:
    """Squared residual of the lasso `min |x - B'a|^2 / 2 + sparsity |a|_1` over unit vectors, in [0, 1]."""
    return unit_range((lasso_residual(directions(features), directions(background), sparsity) ** 2).sum(axis=1))


def directions(features: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Features of unit length."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def lasso_residual(
    points: Float64[np.ndarray, "n d"], atoms: Float64[np.ndarray, "m d"], sparsity: float
) -> Float64[np.ndarray, "n d"]:
    """Residuals of the lasso of all points on the atoms, to 1 or 2 % of the largest.

    By duality they are the projections of the points onto the polytope |atoms v| <= sparsity, in d dimensions
    however many atoms there are; found for all points together by the alternating direction method of multipliers.
    """
    system = np.linalg.inv(np.eye(atoms.shape[1]) + PENALTY * atoms.T @ atoms)
    residual, inside, dual = points, np.zeros((len(points), len(atoms))), np.zeros((len(points), len(atoms)))
    for _ in range(STEPS):
        residual = (points + PENALTY * (inside - dual) @ atoms) @ system
        moved = dual + RELAXATION * residual @ atoms.T + (1 - RELAXATION) * inside
        inside = np.clip(moved, -sparsity, sparsity)
        dual = moved - inside
    return residual


def propagated(
    errors: Float64[np.ndarray, " n"], features: Float64[np.ndarray, "n d"], cluster: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Errors in [0, 1], each averaged with those of alike superpixels of its cluster, from the largest one down."""
    spread = max(float(features.var(axis=0).mean()), 1e-12)
    alike = np.exp(-cdist(features, features, "sqeuclidean") / (2 * spread)) * (cluster[:, None] == cluster)
    np.fill_diagonal(alike, 0)
    share = alike / np.maximum(alike.sum(axis=1, keepdims=True), 1e-12)
    smoothed = errors.copy()
    for i in np.argsort(-errors, kind="stable"):
        if share[i].any():  # alone in its cluster, it keeps its error
            smoothed[i] = (smoothed[i] + share[i] @ smoothed) / 2
    return unit_range(smoothed)


def object_biased(saliency: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """The map in [0, 1] times a Gaussian around its centre of mass, in [0, 1] again."""
    grid = pixel_grid(*saliency.shape)
    centre = np.tensordot(saliency, grid, axes=2) / max(float(saliency.sum()), 1e-12)
    return unit_range(saliency * np.exp(-0.5 * ((grid - centre) ** 2).sum(axis=2) / OBJECT_SIGMA**2))


def posterior(prior: Float64[np.ndarray, "h w"], observed: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    """Bayes' rule in [0, 1]: how frequent the `observed` value is on and off the object that `prior` shows."""
    level = np.minimum((observed * BINS).astype(np.int64), BINS - 1)
    salient = prior > prior.mean()
    on, off = (
        np.bincount(level[chosen], minlength=BINS) / max(1, np.count_nonzero(chosen)) for chosen in (salient, ~salient)
    )
    evidence = prior * on[level]
    return unit_range(evidence / np.maximum(evidence + (1 - prior) * off[level], 1e-12))
