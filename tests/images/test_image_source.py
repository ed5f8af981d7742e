"""Which parameters of a set go together."""

import pytest
from pydantic import ValidationError

from tests.profiles import SAMPLE, changed

CLASSES = ["background", "cat"]


@pytest.mark.parametrize(
    ("layout", "classes"),
    [("voc", []), ("voc", ["background"]), ("coco", []), ("folder", CLASSES), ("saliency", CLASSES)],
)
def test_classes_are_named_for_two_layouts_alone(layout: str, classes: list[str]):
    with pytest.raises(ValidationError, match="name them, background first, for the layouts voc and coco alone"):
        changed(SAMPLE.pack_images.target, layout=layout, classes=classes)


def test_things_are_ignored_in_coco_alone():
    assert changed(SAMPLE.pack_images.target, layout="coco", other_things="ignore").other_things == "ignore"
    with pytest.raises(ValidationError, match="other_things are ignored in the layout coco alone, not in voc"):
        changed(SAMPLE.pack_images.target, other_things="ignore")
