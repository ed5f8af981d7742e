import pytest
import torch

from pipeline.contrast.watch import embedding_std, fault_finder
from tests.profiles import SAMPLE, changed


def test_deviation_is_zero_for_one_direction_and_one_for_opposite_ones():
    masks = torch.ones(1, 16, 32, dtype=torch.bool)
    along = torch.tensor([[3.0, 4.0], [0.3, 0.4]]).T[None, :, None]
    assert embedding_std(along, masks) < 1e-3
    opposite = torch.tensor([[3.0, 4.0], [-0.3, -0.4]]).T[None, :, None]
    torch.testing.assert_close(embedding_std(opposite, masks), torch.tensor(1.0))


def test_deviation_is_that_of_the_object_pixels_over_the_batch():
    directions = torch.nn.functional.normalize(torch.randn(3, 5, 4, 6), dim=1)
    chosen = torch.rand(3, 4, 6) < 0.5
    masks = chosen.repeat_interleave(8, 1).repeat_interleave(8, 2)
    pixels = directions.permute(0, 2, 3, 1)[chosen]
    torch.testing.assert_close(embedding_std(7 * directions, masks), pixels.var(0, correction=0).sum().sqrt())


def test_embeddings_that_have_vanished_have_collapsed():
    assert embedding_std(torch.zeros(2, 4, 3, 3), torch.ones(2, 12, 12, dtype=torch.bool)) == 0


@pytest.mark.parametrize(
    ("loss", "std", "problem"),
    [
        (5.0, 0.021, None),
        (5.0, 0.019, "the embeddings have collapsed, their standard deviation is 0.019; lower pretrain.learning_rate"),
        (19.7, 0.5, None),
        (19.8, 0.5, "the loss has exploded to 19.8; lower pretrain.learning_rate"),
    ],
)
def test_collapse_and_explosion_are_told_from_training(loss: float, std: float, problem: str | None):
    settings = changed(SAMPLE.pretrain, batch=8, queue=120, temperature=0.25, saliency_weight=1.0)
    fault = fault_finder(settings)({"loss": loss, "embedding_std": std})
    # The bound is log 128 + 2 / 0.25 for the contrast and 10 log 2 for the saliency: 19.78.
    assert fault is None if problem is None else str(fault).startswith(problem)


def test_embeddings_that_nothing_is_asked_of_may_collapse():
    settings = changed(SAMPLE.pretrain, contrastive_weight=0.0, saliency_weight=1.0)
    assert fault_finder(settings)({"loss": 6.9, "embedding_std": 0.0}) is None
    assert "exploded" in str(fault_finder(settings)({"loss": 7.0, "embedding_std": 0.0}))
