"""What an evaluating stage does where nobody has drawn a label map yet: say so, and leave an empty result."""

from pathlib import Path

from pipeline.history import write_results
from pipeline.packed import Packed
from pipeline.runtime import log


def nothing_to_score(labels: Packed, out: Path) -> bool:
    """Whether a set has no label map at all; then `out/summary.json` is an empty mapping, which the report skips."""
    if len(labels):
        return False
    write_results(out, {})
    log.info("%s holds no label map, so there is nothing to score", labels.path)
    return True
