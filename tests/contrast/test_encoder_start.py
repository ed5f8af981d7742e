from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline import params
from pipeline.contrast.encoder import HEADS, load_encoder
from pipeline.contrast.encoder_start import starting_encoder
from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone, save_backbone
from pipeline.networks.deeplab import load_deeplab
from tests.contrast.release import RESNET26, Release, checkpoint
from tests.networks.test_starting_weights import sha256
from tests.profiles import PAPER

NARROW = PAPER.model_copy(update={"decoder_channels": 16})
PRETRAIN = params.load(Path(__file__).parents[2] / "profiles" / "sample.yaml").pretrain


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "start.pt"
    save_backbone(path, Backbone("resnet26", 32))
    return path


@pytest.fixture(scope="module")
def probe() -> dict[str, Tensor]:
    """The tensors of a linear probe."""
    return Release(RESNET26, NARROW, classes=21).randomised().state_dict()


def asking(path: Path, state: dict[str, Tensor], epochs: int = 0, encoder: params.Encoder = NARROW) -> params.Pretrain:
    """The settings that ask for these weights."""
    torch.save({"model": state, "optimizer": {"state": {}}, "epoch": 40}, path)
    chosen = {"weights": str(path), "sha256": sha256(path), "epochs": epochs, "encoder": encoder}
    return PRETRAIN.model_copy(update=chosen)


def test_the_published_encoder_computes_what_it_computes_there(tmp_path: Path, start: Path):
    query, images = Release(RESNET26, NARROW).randomised().eval(), torch.rand(2, 3, 64, 96)
    settings = asking(tmp_path / "sup.pth.tar", checkpoint(query, Release(RESNET26, NARROW)))
    encoder = starting_encoder(start, settings).eval()
    mean, std = (encoder.deeplab.backbone.get_buffer(name) for name in ("mean", "std"))
    assert mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    with torch.no_grad():
        expected, found = query((images - mean) / std), encoder(images)
    for there, here in zip(expected, found, strict=True):
        assert there.std() > 0.01
        torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-5)


def test_a_linear_probe_without_epochs_is_an_encoder_without_heads(
    tmp_path: Path, start: Path, probe: dict[str, Tensor]
):
    starting_encoder(start, asking(tmp_path / "probe.pth.tar", probe)).save(tmp_path / "encoder.pt")
    state = load_deeplab(tmp_path / "encoder.pt").state_dict()
    assert state["decoder.0.convs.4.1.weight"].equal(probe["decoder.0.convs.4.1.weight"])
    assert state["backbone.body.layer4.1.bn3.running_var"].equal(probe["backbone.layer4.1.bn3.running_var"])
    with pytest.raises(InputError, match="encoder.pt has no pixel-embedding head and no saliency head, since"):
        load_encoder(tmp_path / "encoder.pt")


def test_a_linear_probe_with_epochs_has_new_heads_drawn_from_the_generator(
    tmp_path: Path, start: Path, probe: dict[str, Tensor]
):
    settings, heads = asking(tmp_path / "probe.pth.tar", probe, epochs=1), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        state = starting_encoder(start, settings).state_dict()
        assert state["deeplab.decoder.1.weight"].equal(probe["decoder.1.weight"])
        heads.append(torch.cat([state[name].flatten() for name in sorted(HEADS)]))
    assert heads[0].equal(heads[1])
    assert not heads[0].equal(heads[2])


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"atrous_rates": [2, 4, 6]}, r"was trained with atrous rates \[12, 24, 36\], not \[2, 4, 6\]; set pretrain"),
        ({"decoder_channels": 8}, r"has deeplab.decoder.0.convs.0.0.weight of shape \[16, .* but MaskContrast on resn"),
    ],
)
def test_another_encoder_than_that_of_the_weights_is_refused(
    tmp_path: Path, start: Path, probe: dict[str, Tensor], changed: dict[str, object], message: str
):
    settings = asking(tmp_path / "probe.pth.tar", probe, encoder=NARROW.model_copy(update=changed))
    with pytest.raises(InputError, match=f"probe.pth.tar {message}"):
        starting_encoder(start, settings)


def test_weights_cut_short_and_weights_of_another_backbone_are_refused_by_name(
    tmp_path: Path, start: Path, probe: dict[str, Tensor]
):
    cut = {name: tensor for name, tensor in probe.items() if name != "backbone.layer3.1.conv2.weight"}
    with pytest.raises(
        InputError, match="lacks deeplab.backbone.body.layer3.1.conv2.weight of MaskContrast on resnet26"
    ):
        starting_encoder(start, asking(tmp_path / "cut.pth.tar", cut))
    deeper = probe | {"backbone.layer3.5.conv1.weight": torch.zeros(1)}
    with pytest.raises(
        InputError,
        match="holds deeplab.backbone.body.layer3.5.conv1.weight, which .*; set prepare_weights.backbone and",
    ):
        starting_encoder(start, asking(tmp_path / "deeper.pth.tar", deeper))


def test_the_wrong_hash_is_refused_with_its_section(tmp_path: Path, start: Path, probe: dict[str, Tensor]):
    settings = asking(tmp_path / "probe.pth.tar", probe).model_copy(update={"sha256": "beef"})
    with pytest.raises(InputError, match=r"not 'beef'; set pretrain.sha256 to trust it"):
        starting_encoder(start, settings)
