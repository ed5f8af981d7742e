"""What a page is made of: sections of blocks, and nothing in them that knows how they are drawn."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Tile(NamedTuple):
    """One picture (a data URI) with what is said below it; `marked` frames it as one that stands out.

    Without a picture its place stays empty. `hint` shows under the pointer.
    """

    picture: str
    text: str = ""
    marked: bool = False
    hint: str = ""


class Strip(NamedTuple):
    """Rows of pictures in columns with heads, each row under a name of its own."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Tile]]]
    wide: bool = True
    kind: str = "strip"


class Sheet(NamedTuple):
    """Cards of pictures: for each its title, a note, and groups of tiles by name."""

    cards: Sequence[tuple[str, str, Sequence[tuple[str, Sequence[Tile]]]]]
    kind: str = "sheet"


class Gallery(NamedTuple):
    """Pictures in rows as long as there is room, each whole."""

    tiles: Sequence[Tile]
    kind: str = "gallery"


class Numbers(NamedTuple):
    """Figures that stand out: what, how much, and a note beside it."""

    shown: Sequence[tuple[str, str, str]]
    kind: str = "numbers"


class Table(NamedTuple):
    """A table of texts; the first `named` columns are names, the others numbers. `folded` starts closed."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    named: int = 1
    folded: bool = False
    kind: str = "table"


class Chart(NamedTuple):
    """A figure of Plotly as JSON, so many pixels high; `pictures` show at its points where they carry any."""

    title: str
    figure: str
    height: int
    pictures: bool = False
    wide: bool = False
    kind: str = "chart"


class Step(NamedTuple):
    """One stage of the graph: name, items it is repeated over, what it does, its outputs, what this run made of it."""

    name: str
    items: str
    about: str
    outputs: Sequence[str]
    made: str
    idle: bool


class Graph(NamedTuple):
    """Stages in reading order, and an SVG of the arcs between them that is as high as they are."""

    steps: Sequence[Step]
    arcs: str
    kind: str = "graph"


class Section(NamedTuple):
    """A part of a page that the navigation leads to; `lead` says in a sentence what is seen."""

    anchor: str
    title: str
    lead: str
    blocks: Sequence[Any]
