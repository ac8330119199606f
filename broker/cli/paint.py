"""Colours, where they help."""

import os
from typing import TextIO

import click


def colours_for(stream: TextIO) -> bool:
    """Tell whether a stream gets colours: a terminal, unless ``NO_COLOR`` says otherwise."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, colour: str, *, on: bool) -> str:
    """Return the text in a colour, or as it is."""
    return click.style(text, fg=colour) if on else text


def plain(text: object) -> str:
    """Return a text that came from elsewhere without what could steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in str(text))
