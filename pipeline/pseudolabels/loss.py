"""The image-level F-measure loss of DeepUSPS (Nguyen et al., NeurIPS 2019), and its rule for confident pixels."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

EPSILON = 1e-5


def f_loss(saliency: Float[Tensor, "b h w"], target: Bool[Tensor, "b h w"], beta_squared: float) -> Float[Tensor, ""]:
    """`1 - F_beta` of every image's soft prediction in [0, 1] against its binary target, averaged over the batch.

    Precision and recall are those of the whole image, so one wrong pixel matters little: what helps on most images
    is learned before the noise of a single one.
    """
    positive = target.to(saliency.dtype)
    hits = (saliency * positive).sum((1, 2))
    precision = hits / (saliency.sum((1, 2)) + EPSILON)
    recall = hits / (positive.sum((1, 2)) + EPSILON)
    score = (1 + beta_squared) * precision * recall / (beta_squared * precision + recall + EPSILON)
    return (1 - score).mean()


def settle_confident(
    saliency: Float[Tensor, "b h w"], pseudolabel: Float[Tensor, "b h w"], threshold: float
) -> Float[Tensor, "b h w"]:
    """Replace pixels that are on the pseudo-label's side of `threshold` and already surer than it by 1 or 0.

    Constants carry no gradient: the network is pushed only where it does not yet agree with the pseudo-label.
    """
    salient = (pseudolabel > threshold) & (saliency > pseudolabel)
    background = (pseudolabel < threshold) & (saliency < pseudolabel)
    return torch.where(salient, 1.0, torch.where(background, 0.0, saliency))


def pseudolabel_loss(
    saliency: Float[Tensor, "b h w"],
    pseudolabel: Float[Tensor, "b h w"],
    threshold: float,
    beta_squared: float,
    confidence_rule: bool,
) -> Float[Tensor, ""]:
    """F-measure loss against the pseudo-label in [0, 1] cut at `threshold` (strictly above it is salient)."""
    if confidence_rule:
        saliency = settle_confident(saliency, pseudolabel, threshold)
    return f_loss(saliency, pseudolabel > threshold, beta_squared)
