"""The tensors of the MaskContrast checkpoints that its authors published, under the names that they have here, or back.

Two kinds of checkpoints are published. That of the pretraining holds the query encoder in `model_q.*`, beside the
momentum encoder and the queue. That of the linear probe holds the same network without `model_q.` and without its two
heads, and in `decoder.4` a classifier of the classes of PASCAL VOC.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from pipeline.errors import InputError
from pipeline.networks.checkpoint_layouts import named

# Of the ASPP in their code; no tensor shows them. An exported file has its own in the metadata `FACTS`.
ATROUS_RATES, FACTS = [12, 24, 36], "encoder"
PLACES = {
    "backbone.": "deeplab.backbone.body.",
    "decoder.": "deeplab.decoder.",
    # Which only exported files have.
    "shortcut.": "deeplab.shortcut.",
    "head.": "head.",
    "classification_head.": "saliency_head.",
}
QUERY, BESIDE, CLASSIFIER = "model_q.", ("model_k.", "queue"), "decoder.4."


def from_published(state: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """The encoder of either checkpoint, or an exported one, under the names of `Encoder`; a linear probe has no heads.

    Raises InputError with the names of tensors in `origin` that have no place.
    """
    prefix = QUERY if any(name.startswith(QUERY) for name in state) else ""
    beside = BESIDE if prefix else (CLASSIFIER,)
    kept = [name for name in state if not name.startswith(beside)]
    strange = [name for name in kept if not name.startswith(tuple(prefix + place for place in PLACES))]
    if strange:
        raise InputError(
            f"{origin} holds {named(strange)}, which MaskContrast has not; give a checkpoint of its authors"
        )
    return {_moved(name.removeprefix(prefix), PLACES): state[name] for name in kept}


def to_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of an `Encoder` under the authors' names, without `model_q.`."""
    places = {ours: theirs for theirs, ours in PLACES.items()}
    return {_moved(name, places): tensor for name, tensor in state.items()}


def trained_rates(path: Path) -> list[int]:
    """The atrous rates that the weights in a file were trained with: those it tells, if exported, or the authors'."""
    if path.suffix != ".safetensors":
        return ATROUS_RATES
    with safe_open(path, "pt") as file:
        facts = (file.metadata() or {}).get(FACTS)
    return json.loads(facts)["atrous_rates"] if facts else ATROUS_RATES


def _moved(name: str, places: Mapping[str, str]) -> str:
    place = next(place for place in places if name.startswith(place))
    return places[place] + name.removeprefix(place)
