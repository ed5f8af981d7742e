import pytest
import torch
import torch.nn.functional as F

from pipeline.networks.upsampling import upsampling_matrix
from pipeline.segmentation import logit_strips
from pipeline.segmentation.logit_strips import class_map, strips, widened


@pytest.mark.parametrize(("bound", "count"), [(1, 24), (40, 5), (10**6, 1)])
def test_strips_have_every_row_once_and_are_the_upsampled_logits(
    bound: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(logit_strips.STRIP, "cpu", bound)
    logits = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    rows, columns = upsampling_matrix(3, 24, logits), upsampling_matrix(4, 10, logits)
    found = strips(rows, 8)
    assert len(found) == count
    assert [row for strip in found for row in range(24)[strip.rows]] == list(range(24))
    full = torch.cat([strip.logits(widened(logits, columns)[0]) for strip in found])
    expected = F.interpolate(logits, size=(24, 10), mode="bilinear", align_corners=False)
    torch.testing.assert_close(full.permute(1, 0, 2), expected[0])


def test_narrow_strips_are_mixed_from_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(logit_strips.STRIP, "cpu", 8)
    assert max(strip.weights.shape[1] for strip in strips(upsampling_matrix(16, 128, torch.zeros(())), 1)) <= 3


@pytest.mark.parametrize("size", [5, 9, 64])
def test_class_map_is_the_argmax_of_the_upsampled_logits(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(logit_strips.STRIP, "cpu", 500)
    logits = torch.randn(21, 8, 8, dtype=torch.float64)
    full = F.interpolate(logits[None], size=(size, size), mode="bilinear", align_corners=False)[0]
    found = class_map(logits, size)
    assert found.dtype == torch.uint8
    assert torch.equal(found.long(), full.argmax(0))


def test_among_equal_logits_the_first_class_is_taken() -> None:
    logits = torch.tensor([0.0, 2.0, 1.0, 2.0])[:, None, None].expand(4, 2, 2)
    assert class_map(logits, 4).unique().tolist() == [1]
