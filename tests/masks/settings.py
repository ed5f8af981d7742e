"""The parameters of `extract_masks`, with single ones changed."""

from pipeline.params import ExtractMasks
from tests.profiles import SAMPLE, changed


def settings(**changes: object) -> ExtractMasks:
    """Settings of the sample; tests that depend on one of these values set it."""
    return changed(SAMPLE.extract_masks, **changes)
