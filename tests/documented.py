"""Commands and programs as the docs show them, for tests that run them."""

import re
from pathlib import Path

from tests.dag_graph import ROOT


def fences(document: str, heading: str, language: str = "") -> list[str]:
    """The blocks of a language, none for commands, under a heading of docs/`document`, up to the next of its level."""
    text = (ROOT / "docs" / Path(document)).read_text()
    section = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/{document} has no heading {heading}"
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section.group(1), re.MULTILINE | re.DOTALL)
    return [block for spoken, block in blocks if spoken == language]
