"""The authors' MaskContrast put together from torchvision's parts, in the names of its checkpoints."""

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.models.segmentation.deeplabv3 import ASPP

from pipeline.params import Encoder
from tests.profiles import PAPER

RESNET50, RESNET26 = [3, 4, 6, 3], [2, 2, 2, 2]


class Trunk(ResNet):
    """A dilated ResNet without its classifier."""

    def __init__(self, blocks: list[int]) -> None:
        super().__init__(Bottleneck, blocks, replace_stride_with_dilation=[False, True, True])
        del self.fc

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class Release(nn.Module):
    """The network of the pretraining or, with `classes`, of the linear probe."""

    def __init__(self, blocks: list[int], settings: Encoder = PAPER, classes: int = 0) -> None:
        super().__init__()
        width = settings.decoder_channels
        self.backbone = Trunk(blocks)
        layers = [ASPP(2048, settings.atrous_rates, width), nn.Conv2d(width, width, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, classes, 1) if classes else nn.Identity()]
        self.decoder = nn.Sequential(*layers)
        if not classes:
            self.head = nn.Conv2d(width, settings.embedding_dim, 1)
            self.classification_head = nn.Conv2d(width, 1, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.decoder(self.backbone(x))
        return self.head(features), self.classification_head(features)

    def randomised(self) -> "Release":
        """All tensors different and of about unit gain, so that a layer in another's place is noticed."""
        random = torch.Generator().manual_seed(0)
        for tensor in self.state_dict().values():
            values = torch.rand(tensor.shape, generator=random)
            tensor.copy_((values - 0.5) * (6 / values[0].numel()) ** 0.5 if tensor.ndim == 4 else values + 0.5)
        return self


def checkpoint(query: nn.Module, key: nn.Module) -> dict[str, Tensor]:
    """The tensors of a pretraining's checkpoint."""
    found = {f"module.model_q.{name}": tensor for name, tensor in query.state_dict().items()}
    found |= {f"module.model_k.{name}": tensor for name, tensor in key.state_dict().items()}
    return found | {"module.queue": torch.zeros(32, 256), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
