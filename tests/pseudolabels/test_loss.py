import pytest
import torch

from pipeline.pseudolabels.loss import f_loss, pseudolabel_loss, settle_confident

# Hits 1.2, predicted 1.4, true 2: F_1 = 2 * 1.2 / (1.4 + 2) and, with beta^2 = 4, F = 5 * 1.2 / (1.4 + 4 * 2).
SALIENCY = torch.tensor([[[0.8, 0.4], [0.2, 0.0]]])
TARGET = torch.tensor([[[True, True], [False, False]]])


@pytest.mark.parametrize(("beta_squared", "expected"), [(1.0, 1 - 2.4 / 3.4), (4.0, 1 - 6 / 9.4)])
def test_loss_of_a_2x2_map_is_that_worked_out_by_hand(beta_squared: float, expected: float):
    assert f_loss(SALIENCY, TARGET, beta_squared).item() == pytest.approx(expected, abs=2e-5)


def test_a_perfect_map_costs_nothing_and_an_empty_map_everything():
    assert f_loss(TARGET.float(), TARGET, 1.0).item() == pytest.approx(0, abs=2e-5)
    assert f_loss(torch.zeros(1, 2, 2), TARGET, 1.0).item() == pytest.approx(1)


def test_an_empty_target_costs_everything_and_moves_nothing_to_infinity():
    saliency = SALIENCY.clone().requires_grad_()
    loss = f_loss(saliency, torch.zeros_like(TARGET), 1.0)
    loss.backward()
    assert loss.item() == 1
    assert saliency.grad is not None and saliency.grad.isfinite().all()


def test_images_count_alike_however_large_their_objects_are():
    large, small = torch.ones(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
    small[0, 0] = True
    # The large object is found, the small one is not: a loss pooled over pixels would be near 0.
    saliency = torch.stack([large.float(), torch.zeros(4, 4)])
    assert f_loss(saliency, torch.stack([large, small]), 1.0).item() == pytest.approx(0.5, abs=1e-4)


# Threshold 0.5. In turn: surer than a salient label, less sure, on the wrong side; the same for background labels;
# a label at the threshold, which is on neither side.
PSEUDOLABEL = torch.tensor([[[0.7, 0.7, 0.7, 0.2, 0.2, 0.2, 0.5]]])
PREDICTED = torch.tensor([[[0.9, 0.6, 0.1, 0.1, 0.3, 0.8, 0.4]]])


def test_only_pixels_surer_than_their_label_on_its_side_become_constants():
    settled = settle_confident(PREDICTED, PSEUDOLABEL, 0.5)
    torch.testing.assert_close(settled, torch.tensor([[[1.0, 0.6, 0.1, 0.0, 0.3, 0.8, 0.4]]]))


def test_no_gradient_reaches_confident_pixels_and_every_other_pixel_has_one():
    saliency = PREDICTED.clone().requires_grad_()
    pseudolabel_loss(saliency, PSEUDOLABEL, 0.5, 1.0, confidence_rule=True).backward()
    assert saliency.grad is not None
    assert (saliency.grad[0, 0] != 0).tolist() == [False, True, True, False, True, True, True]


def test_gradient_raises_salient_pixels_and_lowers_the_others():
    saliency = PREDICTED.clone().requires_grad_()
    pseudolabel_loss(saliency, PSEUDOLABEL, 0.5, 1.0, confidence_rule=False).backward()
    assert saliency.grad is not None
    assert saliency.grad[0, 0].sign().tolist() == [-1, -1, -1, 1, 1, 1, 1]


def test_without_the_rule_the_loss_is_that_of_the_label_strictly_above_the_threshold():
    loss = pseudolabel_loss(PREDICTED, PSEUDOLABEL, 0.5, 4.0, confidence_rule=False)
    salient = torch.tensor([[[True, True, True, False, False, False, False]]])
    assert loss == f_loss(PREDICTED, salient, 4.0)
