"""What an evaluating stage does where nobody has drawn the label maps it needs: say so, and leave an empty result."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.history import write_results
from pipeline.images.datasets import partly_labelled
from pipeline.packed import Packed
from pipeline.runtime import log


def nothing_to_score(labels: Packed, out: Path, needed: Mapping[str, Collection[str]]) -> bool:
    """Whether a set has no label map, or a partly labelled one none of some images that are `needed`.

    `needed` are groups of image ids, each under a name such as `split val`. Where there is nothing to score
    `out/summary.json` becomes an empty mapping, which the report skips.
    """
    known = set(labels.ids)
    bare = [name for name, ids in needed.items() if known.isdisjoint(ids)]
    if known and not (bare and partly_labelled(labels)):
        return False
    write_results(out, {})
    missing = f"label map of {' or of '.join(bare)}" if known else "label map"
    log.info("%s holds no %s, so there is nothing to score", labels.path, missing)
    return True


def of_splits(images: Packed, *splits: str) -> dict[str, list[str]]:
    """The image ids of some splits, each under its name; of a split that is not there, none."""
    known = {"all", *images.split_names}
    return {f"split {name}": [images.ids[i] for i in images.split(name)] if name in known else [] for name in splits}
