"""The code of docs/clients.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
SAMPLES = {
    "python": sorted((FOLDER / "samples").glob("[a-z]*.py")),
    "go": [FOLDER / "go/canvas.go", FOLDER / "go/pod.go"],
    "javascript": [FOLDER / "node/canvas.mjs", FOLDER / "node/pod.mjs"],
}
"""The files of each language that the tests of the clients run, and that the page shows."""
_TO_THE_CHECKER = re.compile(r"\A(?:#.*\n)+")


def text() -> str:
    """Return the page."""
    return (ROOT / "docs" / "clients.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """Return the page's fenced blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)


def published(sample: Path) -> str:
    """Return a sample as the page shows it: without what is told to the type checker."""
    return _TO_THE_CHECKER.sub("", sample.read_text("utf-8"))
