"""Settings of views for tests: nothing happens to colours unless asked for."""

from typing import Any

from pipeline.params import Jitter, Views


def jitter(**changes: Any) -> Jitter:
    """No jitter, grey, flip or blur but for `changes`."""
    still = {
        "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "probability": 1.0, "grey_probability": 0.0,
        "flip_probability": 0.0, "blur_probability": 0.0, "blur_sigma": [0.1, 2.0],
    }  # fmt: skip
    return Jitter.model_validate(still | changes)


def views(jitter: Jitter, **changes: Any) -> Views:
    """Views of 32 pixels with the same colours under either preset."""
    common = {
        "size": 32, "min_scale": 0.2, "min_foreground": 0.05, "max_foreground": 0.9, "max_tries": 20,
        "transforms": "exact", "augmentation": "moco", "moco": jitter, "simclr": jitter,
    }  # fmt: skip
    return Views.model_validate(common | changes)


MOCO = jitter(
    brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, probability=0.8, grey_probability=0.2, flip_probability=0.5
)
SIMCLR = jitter(
    brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, probability=0.8, grey_probability=0.2, flip_probability=0.5,
    blur_probability=0.5,
)  # fmt: skip
