"""The comparison as one HTML page that holds its pictures itself: no script, no network, for a phone too."""

import base64
import re
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from pipeline.compare.differences import differing
from pipeline.compare.snapshot import FIGURES, Snapshot
from pipeline.compare.tables import Table, listed, tables, warnings

TEMPLATE = Path(__file__).with_name("page.html")


class Picture(NamedTuple):
    """What a figure shows, and the outputs and parameters that choose the images it shows."""

    title: str
    caption: str
    outs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


OVERLAYS, MAPS, NEIGHBOURS, CONFUSION = FIGURES
PICTURES = {
    OVERLAYS: Picture(
        "Overlays",
        "Image, mask, clusters named by the matching, ground truth.",
        ("data/images/target.h5", "data/labels/target.h5"),
        ("report.overlays", "cluster.split"),
    ),
    MAPS: Picture(
        "Saliency maps",
        "Image, the saliency of every source, ground truth.",
        ("data/images/benchmark.h5", "data/labels/benchmark.h5"),
        ("score_saliency.pictures",),
    ),
    NEIGHBOURS: Picture(
        "Neighbours",
        "Segments of the first column beside those nearest to them.",
        ("data/embeddings/target.h5",),
        ("retrieve",),
    ),
    CONFUSION: Picture("Confusion", "Share of each true class among the named clusters."),
}


def page(before: Snapshot, after: Snapshot) -> str:
    """The whole page: tables, then every figure that either side has, the two beside each other."""
    parts = {
        "title": escape(f"{before.name} → {after.name}"),
        "sides": "".join(f"<dt>{escape(side.name)}</dt><dd>{escape(side.title)}</dd>" for side in (before, after)),
        "warnings": "".join(f'<p class="warning">{_prose(sentence)}</p>' for sentence in warnings(before, after)),
        "tables": "\n".join(map(_section, tables(before, after))),
        "figures": _figures(before, after),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(parts)


def _section(table: Table) -> str:
    if not table.rows:
        return f"<section><h2>{escape(table.title)}</h2><p>No differences.</p></section>"
    note = f'<p class="note">{_prose(table.note)}</p>' if table.note else ""
    if table.folded:
        title = f"{escape(table.title)} ({len(table.rows)})"
        return f"<section><details><summary>{title}</summary>{note}{_grid(table)}</details></section>"
    return f"<section><h2>{escape(table.title)}</h2>{note}{_grid(table)}</section>"


def _grid(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = (
        f'<tr><th scope="row">{_breakable(first)}</th>{"".join(f"<td>{_breakable(cell)}</td>" for cell in others)}</tr>'
        for first, *others in table.rows
    )
    # A region that scrolls must be reachable by keyboard.
    region = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">'
    return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _prose(text: str) -> str:
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(text))


def _breakable(cell: str) -> str:
    """Names with dots, underscores and slashes may break there; numbers stay whole."""
    text = escape(cell)
    return text if text[:1] in "+-0123456789" else "".join(f"{c}<wbr>" if c in "._/@" else c for c in text)


def _figures(before: Snapshot, after: Snapshot) -> str:
    shown = [_pair(path, before, after) for path in FIGURES if path in before.files or path in after.files]
    if not shown:
        return ""
    choices = (("both", "both"), ("only-before", f"only {before.name}"), ("only-after", f"only {after.name}"))
    radios = "".join(
        f'<label><input type="radio" name="side" id="{key}"{checked}>{escape(label)}</label>'
        for (key, label), checked in zip(choices, (" checked", "", ""), strict=True)
    )
    choice = f"<fieldset><legend>Show&nbsp;</legend>{radios}</fieldset>"
    return f'<section class="figures"><h2>Figures</h2>{choice}{"".join(shown)}</section>'


def _pair(path: str, before: Snapshot, after: Snapshot) -> str:
    picture = PICTURES[path]
    causes = differing(before, after, picture.outs, picture.params)
    caption = picture.caption + (f" The images may be others, since {listed(causes)} differ." if causes else "")
    if path in before.files and before.files[path] == after.files.get(path):
        caption += " The same in both."
    sides = (("before", before), ("after", after))
    figures = "".join(_figure(path, kind, side) for kind, side in sides)
    return f'<h3>{picture.title}</h3><p class="note">{_prose(caption)}</p><div class="pair">{figures}</div>'


def _figure(path: str, kind: str, side: Snapshot) -> str:
    name = escape(side.name)
    if path not in side.files:
        return f'<figure class="{kind}"><figcaption>{name}</figcaption><p>{path} is not there.</p></figure>'
    data = base64.b64encode(side.files[path]).decode()
    alt = escape(f"{PICTURES[path].title} of {side.name}")
    image = f'<img src="data:image/png;base64,{data}" alt="{alt}">'
    return f'<figure class="{kind}"><figcaption>{name}</figcaption>{image}</figure>'
