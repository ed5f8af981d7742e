"""`python -m pipeline.contrast.export MODEL FILE` writes a pretrained encoder as safetensors, for use elsewhere.

The tensors have the names of the authors' checkpoints, so the file may also stand in `pretrain.weights` and, for its
backbone, in `prepare_weights.weights`. What else is needed to build the network stands as a JSON object in the file's
metadata, under `encoder`: the section `pretrain.encoder`, and the backbone's name in timm, its mean and its std.
"""

import json
import logging
import sys
from pathlib import Path

from safetensors.torch import save

from pipeline.contrast.encoder import load_encoder
from pipeline.contrast.published import FACTS, to_published
from pipeline.errors import InputError
from pipeline.packed import replacing


def export(model: Path, out: Path) -> int:
    """Write the encoder in the file `model`, made by the stage `pretrain`, to `out`; returns how many tensors.

    Raises InputError, and writes nothing, when `model` is no such file or `out` is not called `.safetensors`.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out} is not called .safetensors, by which readers know the format; name it so")
    encoder = load_encoder(model)
    backbone = encoder.deeplab.backbone
    facts = {"backbone": backbone.name, **encoder.settings.model_dump()}
    facts |= {name: backbone.get_buffer(name).flatten().tolist() for name in ("mean", "std")}
    state = to_published(encoder.state_dict())
    with replacing(out) as temporary:
        temporary.write_bytes(save(state, {FACTS: json.dumps(facts)}))
    return len(state)


def main(arguments: list[str]) -> int:
    """Command line: the encoder's file and the file to write."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if len(arguments) != 2:
            raise InputError("name the encoder and a file, as in `models/maskcontrast.pt encoder.safetensors`")
        count = export(Path(arguments[0]), Path(arguments[1]))
    except InputError as error:
        logging.error("error: %s", error)
        return 1
    logging.info("exported %d tensors to %s", count, arguments[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
