"""The parameters of `extract_masks`, with single ones changed."""

from pipeline.params import ExtractMasks


def settings(**changes: object) -> ExtractMasks:
    """Settings of the sample; tests that depend on one of these values set it."""
    fields = {"proposal": "saliency", "threshold": 0.5, "min_component": 0.01, "min_area": 0.01, "mode": "components"}
    regions = {"scale": 100.0, "merge_below": 16.0}
    return ExtractMasks.model_validate({**fields, "components": "merge", "regions": regions, **changes})
