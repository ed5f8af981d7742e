"""What `python -m pipeline.predict` is told on its command line."""

import argparse
from pathlib import Path


def parser_of(about: str) -> argparse.ArgumentParser:
    """The parser of the command that is `about` this."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.predict", description=about)
    parser.add_argument("model", type=Path, help="models/predictor.pt, made by the stage bundle_predictor")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="input", help="images, and folders with images below")
    parser.add_argument(
        "--out", type=Path, required=True, help="the folder to write, which appears whole or not at all"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace predictions that are there")
    parser.add_argument("--names", type=Path, help="a CSV file (cluster,name) in place of the model's own names")
    parser.add_argument(
        "--objects", choices=["whole", "components"], default="whole", help="what one object is: all that is salient in"
        " an image, as in the graph (the default), or each connected part of it",
    )  # fmt: skip
    parser.add_argument(
        "--min-area", type=_fraction, default=0.01, help="of components, a fraction of the image (0.01)"
    )
    parser.add_argument(
        "--tile-pixels", type=_whole, default=0, metavar="N", help="see images of more than N pixels in tiles of at"
        " most N; 0 (the default): see every image at once, resized as in the graph",
    )  # fmt: skip
    parser.add_argument("--batch", type=_positive, default=16, help="images, or tiles, that the network sees at a time")
    parser.add_argument("--format", nargs="+", choices=["voc", "coco"], default=[], help="also write these annotations")
    parser.add_argument("--copy-images", action="store_true", help="copy the images to voc/JPEGImages")
    parser.add_argument("--report", action="store_true", help="also write report.html, a page to look through")
    return parser


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number, 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if _whole(text) == 0:
        raise argparse.ArgumentTypeError("0 is too few; give 1 or more")
    return int(text)


def _fraction(text: str) -> float:
    """At least what leaves no more than 250 components in an image, whose numbers fit into a byte."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.004 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no fraction from 0.004 to 1")
    return value
