import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage import data
from torchvision import transforms

from pipeline.images.colours import OPERATIONS, Colours
from pipeline.images.exact_photometry import coloured


def test_steps_are_taken_in_their_order_as_torchvision_takes_them(monkeypatch: pytest.MonkeyPatch):
    image = Image.fromarray(data.chelsea()[:60, :80])
    order, factors = [3, 0, 2, 1], (0.7, 1.3, 1.2, -0.08)
    drawn = torch.tensor(order), *factors
    monkeypatch.setattr(transforms.ColorJitter, "get_params", lambda *_: drawn)
    jittered = transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)(image)
    expected = transforms.Grayscale(3)(jittered).filter(ImageFilter.GaussianBlur(1.3))
    names = ["brightness", "contrast", "saturation", "hue"]
    steps = [*((names[i], factors[i]) for i in order), ("saturation", 0.0), ("blur", 1.3)]
    colours = Colours(
        torch.tensor([[OPERATIONS.index(name) for name, _ in steps]]), torch.tensor([[amount for _, amount in steps]])
    )
    found = coloured(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None], colours)
    assert np.array_equal((found[0].permute(1, 2, 0) * 255).round().byte(), np.asarray(expected))
