"""Compare two commits: `python -m pipeline.compare A B` prints what differs in parameters, scores and stages.

A and B are commits, branches, tags or experiments. Without B the workspace is compared with A, without A with HEAD.
"""

import argparse
import logging
import sys
from pathlib import Path

from pipeline.compare.markdown import markdown
from pipeline.compare.page import page
from pipeline.compare.snapshot import WORKSPACE, take
from pipeline.errors import InputError
from pipeline.packed import replacing


def main(arguments: list[str]) -> int:
    """Command line: up to two commits, and where to write Markdown and a page besides."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m pipeline.compare", description=__doc__)
    parser.add_argument("before", metavar="A", nargs="?", default="HEAD", help="HEAD by default")
    parser.add_argument("after", metavar="B", nargs="?", default=WORKSPACE, help="the workspace by default")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write Markdown for a pull request")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with the figures side by side")
    options = parser.parse_args(arguments)
    try:
        before, after = take(options.before), take(options.after)
        if options.markdown:
            _write(options.markdown, markdown(before, after, fold=True))
        if options.html:
            _write(options.html, page(before, after))
    except InputError as error:
        logging.error("error: %s", error)
        return 1
    sys.stdout.write(markdown(before, after, fold=False))
    return 0


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); name another file") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
