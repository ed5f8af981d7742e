"""The history of a training, rows that become `log.csv`, and the folder of results that it stands in."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.packed import replacing


class History:
    """Rows of numbers, one per epoch; all rows share the columns of the first."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float | int]] = []

    def add(self, **row: float | int) -> None:
        """Append one row; a row with other columns than the first raises ValueError."""
        if self.rows and self.rows[0].keys() != row.keys():
            raise ValueError(f"columns {sorted(row)} differ from {sorted(self.rows[0])}")
        self.rows.append(row)

    def state_dict(self) -> list[dict[str, float | int]]:
        """The rows."""
        return self.rows

    def load_state_dict(self, rows: list[dict[str, float | int]]) -> None:
        """Have these rows instead."""
        self.rows = rows

    def write_csv(self, path: Path) -> None:
        """Write the rows with 6 significant digits, so that the file is the same wherever it is made."""
        with replacing(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]) if self.rows else [])
            writer.writeheader()
            writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in self.rows)


def write_results(folder: Path, summary: Mapping[str, object], history: History | None = None) -> None:
    """Write `summary.json` (keys as given, nested mappings allowed) and, with a history, `log.csv` into `folder`."""
    with replacing(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    if history is not None:
        history.write_csv(folder / "log.csv")
