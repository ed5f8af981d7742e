import colorsys
import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import params
from pipeline.contrast import precision
from pipeline.contrast.encoder import Encoder, build_encoder
from pipeline.contrast.loss import contrastive_loss
from pipeline.contrast.pretraining import MaskContrast, pretrain
from pipeline.contrast.prototypes import pool_pixels
from pipeline.errors import InputError
from pipeline.history import History
from pipeline.images.codecs import encode_png
from pipeline.images.datasets import ImageSet
from pipeline.mask_store import MaskStore, write_masks
from pipeline.packed import write_packed
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.seeding import seed_torch
from tests.conftest import disc
from tests.interruptions import until_done


def trained(
    images: Path, masks: Path, start: Path, settings: params.Pretrain, seed: int = 0, scratch: Scratch = IN_MEMORY
) -> tuple[Encoder, dict[str, object], History]:
    return pretrain(ImageSet(images), MaskStore(masks), start, settings, seed, torch.device("cpu"), scratch)


def views(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(count)
    return torch.rand(count, 3, 48, 48), torch.rand(count, 48, 48) < 0.3


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    disc_images: Path, disc_masks: Path, start: Path, settings: params.Pretrain, tmp_path: Path
):
    contents = []
    for seed in (0, 0, 1):
        encoder, _, history = trained(disc_images, disc_masks, start, settings, seed)
        encoder.save(tmp_path / "encoder.pt")
        contents.append(((tmp_path / "encoder.pt").read_bytes(), history.rows))
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[2][0]


def test_images_without_a_mask_are_left_out_and_counted(
    disc_images: Path, disc_masks: Path, start: Path, settings: params.Pretrain
):
    _, summary, history = trained(disc_images, disc_masks, start, settings.model_copy(update={"epochs": 1}))
    assert (summary["images"], summary["used"], summary["without_mask"]) == (12, 11, 1)
    row = history.rows[0]
    parts = ["epoch", "loss", "contrastive", "saliency", "accuracy", "embedding_std", "foreground", "replaced"]
    assert list(row) == parts
    assert 0.1 < row["embedding_std"] < 1
    assert row["loss"] == pytest.approx(row["contrastive"] + row["saliency"])
    assert 0.01 < row["foreground"] < 0.99
    assert row["replaced"] == 0


def test_discs_of_different_hue_are_told_apart(
    disc_masks: Path, start: Path, settings: params.Pretrain, tmp_path: Path
):
    pixels = [np.where(disc(i)[..., None], colorsys.hsv_to_rgb(i / 12, 1, 0.9), (0.1, 0.2, 0.3)) for i in range(12)]
    encoded = [(f"img_{i:02d}", encode_png((255 * image).astype(np.uint8))) for i, image in enumerate(pixels)]
    columns = {"height": [40] * 12, "width": [48] * 12}
    write_packed(tmp_path / "hues.h5", encoded, "images", columns=columns)
    still = settings.views.moco.model_copy(update={"probability": 0.0})
    longer = settings.model_copy(
        update={
            "epochs": 40, "batch": 5, "queue": 1, "learning_rate": 0.1,
            "views": settings.views.model_copy(update={"moco": still}),
        }
    )  # fmt: skip
    _, _, history = trained(tmp_path / "hues.h5", disc_masks, start, longer)
    # With five prototypes of the batch and one of the queue, chance is an accuracy of 1/6 and a loss of log 6 = 1.79.
    last = history.rows[-5:]
    assert np.mean([row["accuracy"] for row in last]) > 0.3
    assert np.mean([row["contrastive"] for row in last]) < 1.5


def test_frozen_stages_keep_weights_and_statistics_and_the_rest_learns(
    disc_images: Path, disc_masks: Path, start: Path, settings: params.Pretrain
):
    before = build_encoder(start, settings.encoder).deeplab.backbone.state_dict()
    encoder, _, _ = trained(disc_images, disc_masks, start, settings.model_copy(update={"frozen_stages": 2}))
    after = encoder.deeplab.backbone.state_dict()
    changed = {name for name, value in after.items() if not value.equal(before[name])}
    frozen = {
        name for name in after if name.startswith(("body.conv_stem", "body.bn1", "body.blocks_0", "body.blocks_1"))
    }
    assert frozen
    assert changed
    assert not frozen & changed


@pytest.mark.parametrize("shortcut", [False, True])
def test_backbone_that_is_frozen_whole_still_trains_every_new_layer(
    disc_images: Path, disc_masks: Path, start: Path, settings: params.Pretrain, shortcut: bool
):
    stages = len(build_encoder(start, settings.encoder).deeplab.backbone.channels)
    network = settings.encoder.model_copy(update={"shortcut": shortcut})
    short = settings.model_copy(update={"encoder": network, "frozen_stages": stages, "epochs": 1})
    seed_torch(0, "encoder")
    before = dict(build_encoder(start, network).named_parameters())
    encoder, _, _ = trained(disc_images, disc_masks, start, short)
    kept = {name for name, value in encoder.named_parameters() if value.equal(before[name])}
    assert kept == {name for name in before if name.startswith("deeplab.backbone.")}


def test_too_few_masks_are_refused_with_the_counts(
    disc_images: Path, start: Path, settings: params.Pretrain, tmp_path: Path
):
    ids, sizes = [f"img_{i:02d}" for i in range(12)], np.array([[40, 48]] * 12)
    write_masks(tmp_path / "none.h5", ids, sizes, [np.zeros((40, 48), dtype=bool)] * 12)
    with pytest.raises(InputError, match="has masks for 0 of the 12 images of split 'all'"):
        trained(disc_images, tmp_path / "none.h5", start, settings)


def test_a_training_that_fails_names_the_images_that_were_shown(
    disc_images: Path, start: Path, settings: params.Pretrain, tmp_path: Path
):
    ids, sizes = [f"img_{i:02d}" for i in range(12)], np.array([[40, 48]] * 12)
    small = np.zeros((40, 48), dtype=bool)
    small[20, 20] = True  # fits no views, so that another image is shown
    write_masks(tmp_path / "masks.h5", ids, sizes, [small if i == 5 else disc(i) for i in range(12)])
    wild = settings.model_copy(update={"learning_rate": 1e12, "warmup_steps": 0, "batch": 12})
    with pytest.raises(InputError, match=r"^pretrain, epoch [12], step 1 \(.+\): .+; lower ") as failure:
        trained(disc_images, tmp_path / "masks.h5", start, wild)
    named = str(failure.value).partition("(")[2].partition(")")[0].split(", ")
    assert set(named) == set(ids) - {"img_05"}
    assert len(named) == 12


def test_a_step_moves_the_key_before_using_it_and_the_queue_after(start: Path, settings: params.Pretrain):
    model = MaskContrast(build_encoder(start, settings.encoder), settings, 0).eval()
    (query_images, query_masks), (key_images, key_masks) = views(3), views(4)
    key_images, key_masks = key_images[:3], key_masks[:3]
    with torch.no_grad():
        for parameter in model.query.parameters():
            parameter *= 1.5
    query, key = model.query, model.key
    old_queue = model.queue.prototypes.clone()
    expected_key = key.head.weight * 0.9 + query.head.weight.detach() * 0.1
    results = model(query_images, query_masks, key_images, key_masks)
    torch.testing.assert_close(key.head.weight, expected_key)
    prototypes = pool_pixels(key(key_images)[0], key_masks.float())
    torch.testing.assert_close(model.queue.prototypes, torch.cat([prototypes, old_queue[3:]]))
    expected, _ = contrastive_loss(query(query_images)[0], query_masks, prototypes, old_queue, 0.5, True)
    torch.testing.assert_close(results["contrastive"], expected)


def test_in_bfloat16_losses_prototypes_and_weights_stay_in_single_precision(
    start: Path, settings: params.Pretrain, monkeypatch: pytest.MonkeyPatch
):
    model = MaskContrast(build_encoder(start, settings.encoder), settings, 0).eval()
    same = copy.deepcopy(model)
    expected = same(*views(2), *views(2))
    monkeypatch.setattr(precision, "_fast_precision", lambda device: torch.autocast("cpu", torch.bfloat16))
    computed = []
    for encoder in (model.query, model.key):
        encoder.head.register_forward_hook(lambda layer, _, result: computed.append((layer.weight.dtype, result.dtype)))
    results = model(*views(2), *views(2))
    results["loss"].backward()
    assert computed == [(torch.float, torch.bfloat16)] * 2
    assert all(results[name].dtype == torch.float for name in ("loss", "contrastive", "saliency"))
    assert 0 < (results["contrastive"] - expected["contrastive"]).detach().abs() < 0.05
    assert model.queue.prototypes.dtype == torch.float
    torch.testing.assert_close(model.queue.prototypes[:2].norm(dim=1), torch.ones(2))
    assert {getattr(parameter.grad, "dtype", None) for parameter in model.query.parameters()} == {torch.float}
    torch.testing.assert_close(model.key.state_dict(), same.key.state_dict(), rtol=0, atol=0)


def test_gradient_of_a_step_reaches_the_query_and_not_the_key(start: Path, settings: params.Pretrain):
    model = MaskContrast(build_encoder(start, settings.encoder), settings, 0).eval()
    model(*views(2), *views(2))["loss"].backward()
    assert all(parameter.grad is not None for parameter in model.query.parameters())
    assert all(parameter.grad is None for parameter in model.key.parameters())


def test_stopped_at_any_step_it_ends_with_the_same_bytes(
    disc_images: Path,
    disc_masks: Path,
    start: Path,
    settings: params.Pretrain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    # Dropout, momentum and the queue carry over from step to step.
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")

    def saved(scratch: Scratch) -> tuple[bytes, list[dict]]:
        encoder, _, history = trained(disc_images, disc_masks, start, settings, 0, scratch)
        encoder.save(tmp_path / "encoder.pt")
        return (tmp_path / "encoder.pt").read_bytes(), history.rows

    whole = saved(IN_MEMORY)
    assert until_done(lambda: saved(Scratch(tmp_path / "area")), 2, monkeypatch) == (whole, 3)
