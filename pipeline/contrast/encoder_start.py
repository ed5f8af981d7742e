"""The encoder that a pretraining starts from."""

from pathlib import Path

from pipeline.contrast.encoder import HEADS, Encoder, build_encoder
from pipeline.contrast.published import from_published, trained_rates
from pipeline.errors import InputError
from pipeline.networks.starting_weights import load_checked, read_state_dict
from pipeline.params import Pretrain


def starting_encoder(start: Path, settings: Pretrain) -> Encoder:
    """The published encoder of `settings.weights`; without any, a new one on the starting backbone in `start`.

    What is new is drawn from PyTorch's generator: decoder and heads, or heads alone where the weights are those of a
    linear probe. With 0 epochs, which teach heads nothing, such an encoder has none.
    Raises InputError when the weights are not those of MaskContrast on that backbone with `settings.encoder`.
    """
    encoder = build_encoder(start, settings.encoder)
    if not settings.weights:
        return encoder
    state = from_published(read_state_dict(Path(settings.weights), settings.sha256, "pretrain"), settings.weights)
    rates = trained_rates(Path(settings.weights))
    if settings.encoder.atrous_rates != rates:
        raise InputError(
            f"{settings.weights} was trained with atrous rates {rates}, not {settings.encoder.atrous_rates}; "
            "set pretrain.encoder.atrous_rates to them"
        )
    if not HEADS & state.keys():
        if settings.epochs:
            state |= {name: tensor for name, tensor in encoder.state_dict().items() if name in HEADS}
        else:
            del encoder.head, encoder.saliency_head
    name = f"MaskContrast on {encoder.deeplab.backbone.name}"
    remedy = "set prepare_weights.backbone and pretrain.encoder to those of the weights"
    load_checked(encoder, state, settings.weights, name, remedy)
    return encoder
