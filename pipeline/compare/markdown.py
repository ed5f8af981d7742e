"""The comparison as Markdown, for a terminal and for a pull request."""

from collections.abc import Iterable, Sequence

from pipeline.compare.snapshot import Snapshot
from pipeline.compare.tables import Table, tables, warnings


def markdown(before: Snapshot, after: Snapshot, fold: bool) -> str:
    """The whole of it; long tables are folded away where `fold` asks for it, as GitHub and GitLab show them."""
    parts = [
        f"## {before.name} → {after.name}",
        "\n".join(f"- {side.name}: {side.title}" for side in (before, after)),
        *(f"**{sentence}**" for sentence in warnings(before, after)),
        *(_section(table, fold and table.folded) for table in tables(before, after)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(table: Table, folded: bool) -> str:
    if not table.rows:
        return f"### {table.title}\n\nNo differences."
    body = "\n\n".join(filter(None, (table.note, grid(table.header, table.rows))))
    if folded:
        return f"<details><summary>{table.title} ({len(table.rows)})</summary>\n\n{body}\n\n</details>"
    return f"### {table.title}\n\n{body}"


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns are as wide as their longest cell; bars inside cells are escaped."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)
