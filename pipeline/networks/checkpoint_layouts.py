"""Where checkpoints of other projects keep the backbone, and what else they hold.

Within the backbone all of them have the names of timm's model, which for a ResNet are torchvision's.
"""

from collections.abc import Mapping

from torch import Tensor

from pipeline.errors import InputError

# By the prefix of the backbone's tensors, the prefixes of what such a checkpoint holds beside them.
LAYOUTS = {
    # MoCo: the momentum encoder and the queue of keys.
    "encoder_q.": ("encoder_k.", "queue"),
    # InfoMin, and instance discrimination as the same project offers it: the projection heads.
    "encoder.": ("head.", "head_jig."),
    # MaskContrast's pretraining: decoder and heads, the momentum encoder, the queue of prototypes.
    "model_q.backbone.": ("model_q.decoder.", "model_q.head.", "model_q.classification_head.", "model_k.", "queue"),
    # MaskContrast's linear probe, and what `pipeline.contrast.export` writes.
    "backbone.": ("decoder.", "shortcut.", "head.", "classification_head."),
    # Plain models; SwAV's projection head and prototypes; what makes a dilated residual network segment.
    "": ("projection_head.", "prototypes.", "seg.", "up."),
}
# A classifier of images, or what takes its place: the projection of MoCo, with one layer or two, and of instance
# discrimination in its authors' files.
CLASSIFIER = "fc."


def backbone_tensors(state: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """The backbone's tensors of a checkpoint, by their names without the prefix of its layout.

    Raises InputError when `origin` holds a tensor that is neither the backbone's nor known to come with its layout.
    """
    prefix = next((prefix for prefix in LAYOUTS if any(name.startswith(prefix) for name in state)), "")
    beside = (prefix + CLASSIFIER, *LAYOUTS[prefix])
    kept = {name: tensor for name, tensor in state.items() if not name.startswith(beside)}
    strange = [name for name in kept if not name.startswith(prefix)]
    if strange:
        raise InputError(
            f"{origin} holds {named(strange)} beside the backbone in {prefix}*; save the tensors of the backbone alone"
        )
    return {name.removeprefix(prefix): tensor for name, tensor in kept.items()}


def named(names: list[str]) -> str:
    """Up to three of the names of tensors, and how many more there are."""
    more = f" and {len(names) - 3} more tensors" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
