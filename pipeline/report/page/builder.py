"""Sections to one HTML file that needs nothing else: styles, scripts, pictures and numbers stand in it."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from pipeline.packed import replacing
from pipeline.report.page.blocks import Section
from pipeline.report.page.script import SCRIPT
from pipeline.report.page.style import STYLE
from pipeline.report.page.template import BLOCKS, PAGE


def save_page(path: Path, title: str, about: str, sections: Sequence[Section]) -> None:
    """Write the page; the same sections give the same bytes.

    `about` is the sentence below the title. Sections are drawn in their order, and the navigation leads to each.
    """
    sources = DictLoader({"page": PAGE, "blocks": BLOCKS})
    environment = Environment(
        loader=sources, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    drawn = any(block.kind == "chart" for section in sections for block in section.blocks)
    page = environment.get_template("page").render(
        title=title,
        about=about,
        sections=sections,
        style=STYLE,
        script=SCRIPT,
        library=get_plotlyjs() if drawn else "",
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
