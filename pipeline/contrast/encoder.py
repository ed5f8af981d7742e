"""The MaskContrast network: DeepLab-v3 with a pixel-embedding head and a saliency head (paper section 3.4)."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone, load_backbone
from pipeline.networks.deeplab import DeepLab
from pipeline.networks.weights import read_network, save_network
from pipeline.params import Encoder as EncoderSettings

KIND = "encoder"
HEADS = {"head.weight", "head.bias", "saliency_head.weight"}


class Encoder(nn.Module):
    """DeepLab and two linear heads on its decoder features."""

    def __init__(self, backbone: Backbone, settings: EncoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.deeplab = DeepLab(backbone, settings)
        self.head = nn.Conv2d(settings.decoder_channels, settings.embedding_dim, 1)
        self.saliency_head = nn.Conv2d(settings.decoder_channels, 1, 1, bias=False)

    def forward(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b d h8 w8"], Float[Tensor, "b 1 h8 w8"]]:
        """Pixel embeddings and saliency logits at the output stride, for RGB images in [0, 1].

        Upsampling to the image's size, and only then scaling to unit norm, is up to whoever uses them.
        """
        return self.heads(self.deeplab(images))

    def heads(
        self, features: Float[Tensor, "b c h8 w8"]
    ) -> tuple[Float[Tensor, "b d h8 w8"], Float[Tensor, "b 1 h8 w8"]]:
        """The same, for decoder features that are there already."""
        return self.head(features), self.saliency_head(features)

    def save(self, path: Path) -> None:
        """Save weights and architecture, to be read by `load_encoder`, or without heads by `load_deeplab`."""
        backbone = self.deeplab.backbone.name
        save_network(path, KIND, {"backbone": backbone, **self.settings.model_dump()}, self.state_dict())


def build_encoder(start: Path, settings: EncoderSettings) -> Encoder:
    """An encoder on the starting backbone in `start`; decoder and heads are drawn from PyTorch's generator."""
    return Encoder(load_backbone(start, settings.output_stride), settings)


def load_encoder(path: Path) -> Encoder:
    """The encoder that `Encoder.save` wrote, in evaluation mode; InputError when it was saved without heads."""
    config, state = read_network(path, KIND)
    settings = EncoderSettings(**{key: value for key, value in config.items() if key != "backbone"})
    encoder = Encoder(Backbone(config["backbone"], settings.output_stride), settings)
    if encoder.state_dict().keys() - state.keys() == HEADS:
        raise InputError(
            f"{path} has no pixel-embedding head and no saliency head, since pretrain.weights are those of a linear "
            "probe; give those of the pretraining, or leave embed and what follows it out"
        )
    encoder.load_state_dict(state)
    return encoder.eval()
