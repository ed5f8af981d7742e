"""Render the embedded sample, single objects to learn saliency on and cluttered scenes to segment."""

import shutil
from pathlib import Path

from pipeline import params
from pipeline.images.sample import sample_files
from pipeline.progress import track
from pipeline.runtime import log, run_stage


def main(out: Path) -> None:
    """Draw the sample into a folder beside OUT, which it then replaces as a whole."""
    settings = params.load()
    sizes = settings.draw_sample
    temporary = out.with_name(out.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    for path, data in track(sample_files(settings.base.seed, sizes), "draw sample", unit="file"):
        (temporary / path).parent.mkdir(parents=True, exist_ok=True)
        (temporary / path).write_bytes(data)
    shutil.rmtree(out, ignore_errors=True)
    temporary.rename(out)
    target = f"{sizes.trainaug} trainaug ({sizes.train} of them train) and {sizes.val} val"
    log.info("%s: drew %d proposal, %d benchmark, %s images", out, sizes.proposal, sizes.benchmark, target)


if __name__ == "__main__":
    run_stage(main)
