from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.images.codecs import decode_map
from pipeline.images.datasets import ImageSet
from pipeline.masks.basnet import BasNet
from pipeline.masks.prediction import predict, provenance, resized, stretched
from pipeline.params import PredictSaliency


class Redness(BasNet):
    """Stands in for a trained network: the refined logit rises with the red channel, all others are zero."""

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.zeros(len(images), 8, *images.shape[-2:])
        logits[:, 0] = 20 * (images[:, 0] - 0.5)
        return logits


def test_every_image_of_a_batch_gets_a_map_of_its_size_in_order(disc_images: Path):
    images = ImageSet(disc_images)
    predicted = list(predict(Redness(4), images, PredictSaliency(size=32, batch=5, stretch=False), range(3, 8)))
    assert [image_id for image_id, _ in predicted] == images.ids[3:8]
    assert {decode_map(data).shape for _, data in predicted} == {(40, 48)}


def test_maps_follow_the_refined_output(disc_images: Path):
    images = ImageSet(disc_images)
    predicted = predict(Redness(4), images, PredictSaliency(size=64, batch=12, stretch=False), range(12))
    for i, (_, data) in enumerate(predicted):
        saliency, red = decode_map(data), images.rgb(i)[..., 0]
        assert saliency[red > 200].mean() > 0.95
        assert saliency[red < 100].mean() < 0.1


def test_batch_size_does_not_change_a_map(disc_images: Path):
    torch.manual_seed(0)
    network, images = BasNet(4), ImageSet(disc_images)
    settings = PredictSaliency(size=32, batch=12, stretch=True)
    one = [decode_map(data) for i in range(12) for _, data in predict(network, images, settings, [i])]
    all_at_once = [decode_map(data) for _, data in predict(network, images, settings, range(12))]
    np.testing.assert_allclose(one, all_at_once, atol=1.01 / 255)


def test_maps_tell_which_network_made_them_and_what_it_learned_from(tmp_path: Path):
    model = tmp_path / "basnet.pt"
    model.write_bytes(b"abc")
    settings = PredictSaliency(size=32, batch=5, stretch=True)
    assert provenance(model, {"width": 4, "supervision": "supervised"}, settings) == {
        "estimator": "basnet",
        "supervision": "supervised",
        "weights": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "size": 32,
        "stretch": True,
    }


def test_stretching_reaches_zero_and_one():
    np.testing.assert_allclose(
        stretched(np.array([[0.2, 0.3], [0.4, 0.6]], np.float32)), [[0, 0.25], [0.5, 1]], rtol=1e-6
    )


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_map_is_not_stretched(value: float):
    constant = np.full((4, 5), value, np.float32)
    constant[0, 0] += 1e-4
    np.testing.assert_array_equal(stretched(constant), constant)


def test_resizing_is_bilinear_between_pixel_centres():
    # From 2 to 4 columns: centres at -1/4, 1/4, 3/4, 5/4 of the old spacing, clamped at both ends.
    np.testing.assert_allclose(resized(np.array([[0.0, 1.0]], np.float32), 1, 4), [[0, 0.25, 0.75, 1]])
