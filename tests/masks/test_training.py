from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.images.codecs import encode_map
from pipeline.images.datasets import ImageSet, MapSet
from pipeline.masks.basnet import BasNet
from pipeline.masks.training import Crops, epoch_batches, parameter_groups, target_of, train, with_object
from pipeline.packed import write_packed
from pipeline.params import TrainBasnet
from pipeline.scratch import IN_MEMORY, Scratch
from tests.interruptions import until_done
from tests.profiles import SAMPLE, changed


def settings(**changes: float | str) -> TrainBasnet:
    small = changed(SAMPLE.train_basnet, width=4, size=40, crop=32, batch=4, epochs=1, learning_rate=1e-3)
    return changed(small, **changes)


def basnet() -> BasNet:
    torch.manual_seed(0)
    return BasNet(4)


def some_maps(path: Path, peaks: list[float]) -> MapSet:
    entries = ((f"img_{i:02d}", encode_map(np.full((40, 48), peak, np.float32))) for i, peak in enumerate(peaks))
    write_packed(path, entries, "maps")
    return MapSet(path)


def test_targets_are_binary_at_the_threshold(disc_maps: Path):
    target = target_of(MapSet(disc_maps), 0, settings())
    assert target.unique().tolist() == [0, 1]
    assert float(target.mean()) == pytest.approx(np.pi * 81 / (40 * 48), rel=0.1)


def test_soft_targets_are_the_maps_themselves(disc_maps: Path):
    maps = MapSet(disc_maps)
    target = target_of(maps, 0, settings(targets="soft"))
    assert torch.equal(target, maps.squared(0, 40))
    assert float(target.min()) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("targets", ["binary", "soft"])
def test_images_without_an_object_are_left_out(tmp_path: Path, targets: str):
    maps = some_maps(tmp_path / "maps.h5", [0.9, 0.4, 0.6, 0.0])
    assert with_object(maps, settings(targets=targets)).tolist() == [0, 2]


def test_too_few_objects_are_refused_with_the_threshold(tmp_path: Path):
    maps = some_maps(tmp_path / "maps.h5", [0.9, 0.4, 0.0])
    with pytest.raises(InputError, match=r"1 of 3 maps exceed train_basnet.target_threshold 0\.5"):
        with_object(maps, settings())


def test_a_single_image_left_over_joins_the_batch_before_it():
    batches = epoch_batches(np.arange(9), 4, 0, 3)
    assert [len(batch) for batch in batches] == [4, 5]
    assert sorted(key for batch in batches for key in batch) == [(3, i) for i in range(9)]


def test_a_smaller_last_batch_is_kept():
    assert [len(batch) for batch in epoch_batches(np.arange(10), 4, 0, 0)] == [4, 4, 2]


def test_order_changes_with_epoch_and_seed():
    orders = {
        str([i for b in epoch_batches(np.arange(30), 30, seed, epoch) for _, i in b])
        for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    }
    assert len(orders) == 3


def test_image_and_target_are_cropped_and_flipped_alike(disc_images: Path, disc_maps: Path):
    crops = Crops(ImageSet(disc_images), MapSet(disc_maps), settings(), 0)
    for epoch in range(8):
        image, target = crops[epoch, 0]
        disc, ground = image[0][target == 1], image[0][target == 0]
        # The disc's red is 0.86 and the ground's 0.16; only the antialiased edge lies between.
        assert float(disc.mean()) > 0.75
        assert float(ground.mean()) < 0.25


def test_a_crop_depends_on_seed_epoch_and_image_alone(disc_images: Path, disc_maps: Path):
    def crop(seed: int, epoch: int, i: int) -> torch.Tensor:
        return Crops(ImageSet(disc_images), MapSet(disc_maps), settings(), seed)[epoch, i][0]

    assert torch.equal(crop(0, 1, 2), crop(0, 1, 2))
    assert not torch.equal(crop(0, 1, 2), crop(0, 2, 2))
    assert not torch.equal(crop(0, 1, 2), crop(1, 1, 2))


def test_crops_reach_every_offset_and_both_directions(disc_images: Path, disc_maps: Path):
    chosen = settings(size=34)
    crops = Crops(ImageSet(disc_images), MapSet(disc_maps), chosen, 0)
    whole = crops.images.squared(0, 34)
    windows = [whole[:, top : top + 32, left : left + 32] for top in range(3) for left in range(3)]
    expected = {window.numpy().tobytes() for image in windows for window in (image, image.flip(-1).contiguous())}
    seen = {crops[epoch, 0][0].contiguous().numpy().tobytes() for epoch in range(150)}
    assert seen == expected


def test_training_finds_the_discs(disc_images: Path, disc_maps: Path):
    images, maps, history = ImageSet(disc_images), MapSet(disc_maps), History()
    chosen = settings(epochs=8, learning_rate=0.01)
    network = basnet()
    train(network, images, maps, np.arange(9), chosen, 0, history)
    assert history.rows[-1]["loss"] < 0.85 * history.rows[0]["loss"]
    with torch.no_grad():
        saliency = network(torch.stack([images.squared(i, 40) for i in range(9)]))[:, 0].sigmoid()
    targets = torch.stack([target_of(maps, i, chosen) for i in range(9)])
    assert saliency[targets == 1].mean() > saliency[targets == 0].mean() + 0.3


def test_training_twice_gives_the_same_network_and_history(disc_images: Path, disc_maps: Path):
    images, maps = ImageSet(disc_images), MapSet(disc_maps)
    networks, histories = [basnet(), basnet()], [History(), History()]
    for network, history in zip(networks, histories, strict=True):
        train(network, images, maps, np.arange(9), settings(), 0, history)
    assert histories[0].rows == histories[1].rows
    first, second = (network.state_dict() for network in networks)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_the_encoders_backbone_learns_at_its_share_of_the_rate(disc_images: Path, disc_maps: Path):
    network, chosen = basnet(), settings(learning_rate=0.01, encoder_rate_factor=1e-9)
    slow, fast = parameter_groups(network, chosen)
    assert (slow["lr"], fast["lr"]) == (pytest.approx(1e-11), 0.01)
    assert sum(p.numel() for p in slow["params"]) == sum(p.numel() for p in network.encoder.backbone.parameters())  # type: ignore[union-attr]
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    train(network, ImageSet(disc_images), MapSet(disc_maps), np.arange(4), chosen, 0, History())
    moved = {name: not torch.allclose(parameter, before[name]) for name, parameter in network.named_parameters()}
    assert not any(there for name, there in moved.items() if name.startswith("encoder.backbone."))
    assert moved["encoder.stem.0.weight"] and moved["encoder.deeper.0.1.conv1.weight"]


def test_stopped_at_any_step_it_ends_with_the_same_network(
    disc_images: Path, disc_maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    images, maps = ImageSet(disc_images), MapSet(disc_maps)

    def trained(scratch: Scratch) -> tuple[dict[str, torch.Tensor], list[dict]]:
        history = History()
        network = basnet()
        train(network, images, maps, np.arange(8), settings(epochs=2), 0, history, scratch)
        return network.state_dict(), history.rows

    whole = trained(IN_MEMORY)
    resumed, stops = until_done(lambda: trained(Scratch(tmp_path)), 2, monkeypatch)
    assert stops == 3
    assert resumed[1] == whole[1]
    assert all(map(torch.equal, resumed[0].values(), whole[0].values()))
