import pytest
import torch

from pipeline.seeding import derive_seed, generator, seed_torch


def test_seed_is_the_leading_63_bits_of_the_texts_sha256():
    # SHA-256 of "0" begins 5feceb66ffc86f38.
    assert derive_seed(0) == 0x5FECEB66FFC86F38 >> 1


def test_every_part_of_the_purpose_matters():
    purposes = [(0,), (1,), (0, "views"), (0, "views", 0), (0, "views", 1), (0, "views", 0, 1), (0, "views", 1, 0)]
    assert len({derive_seed(*purpose) for purpose in purposes}) == len(purposes)


def test_seeds_fit_a_signed_integer_of_64_bits():
    assert all(0 <= derive_seed(0, i) < 2**63 for i in range(200))


def test_streams_repeat_and_do_not_depend_on_each_other():
    alone = generator(3, "flip").random(4)
    generator(3, "crop").random(100)
    assert generator(3, "flip").random(4) == pytest.approx(alone, abs=0)
    assert generator(3, "crop").random(4) != pytest.approx(alone)


def test_seed_torch_sets_the_global_stream():
    seed_torch(0, "weights")
    first = torch.rand(3)
    seed_torch(0, "weights")
    assert torch.rand(3).equal(first)
    seed_torch(0, "dropout")
    assert not torch.rand(3).equal(first)
