"""Settings for tests: those of the embedded sample but for what a test says."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from pipeline import params, profile
from pipeline.params import Section

SAMPLE_FILE = Path(__file__).parents[1] / "profiles" / "sample.yaml"
SAMPLE = params.load(SAMPLE_FILE)

AnySection = TypeVar("AnySection", bound=Section)


def changed(section: AnySection, **changes: Any) -> AnySection:
    """The section with other values, checked as those of a file are."""
    return type(section).model_validate(section.model_dump() | changes)


@cache
def over_sample(overlay: Path) -> str:
    """The text of the sample's profile with another put over it."""
    with TemporaryDirectory() as folder:
        profile.apply(overlay, own := Path(shutil.copy(SAMPLE_FILE, folder)))
        return own.read_text()


PAPER = changed(SAMPLE.pretrain.encoder, atrous_rates=[12, 24, 36], decoder_channels=256, dropout=0.5, embedding_dim=32)
"""The encoder of the paper."""
