"""Values that follow from those of params.yaml. Sections hold none: an edit here reruns what computes with them."""

import math

from pipeline.params import Embed, Jitter, Pooling, TrainBasnet, Views


def chosen_jitter(views: Views) -> Jitter:
    """The preset of colours that `augmentation` names."""
    return views.moco if views.augmentation == "moco" else views.simclr


def chosen_pooling(embed: Embed) -> Pooling:
    """The preset of pooling that `pooling` names."""
    return embed.paper if embed.pooling == "paper" else embed.official_code


def threshold_probability(pooling: Pooling) -> float:
    """The threshold of a salient pixel as a probability in [0, 1]: a logit of 0.5 is one of 0.622."""
    return pooling.threshold if pooling.threshold_on == "probability" else 1 / (1 + math.exp(-pooling.threshold))


def is_unsupervised(basnet: TrainBasnet) -> bool:
    """Whether no label teaches BAS-Net: its released weights were trained on masks."""
    return basnet.targets_from == "pseudolabels/fused" and not basnet.weights
