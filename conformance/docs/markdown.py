"""Reads a Markdown page (CommonMark with tables, with or without front matter) into blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from conformance.docs.blocks import Block, Kind, one_line
from conformance.docs.html import read_html

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def _plain(token: Token) -> str:
    """The text of an inline token, without its marks."""
    pieces = []
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            pieces.append("\n")
        elif child.type == "html_inline":
            pieces.append("\n" if child.content.lower().startswith("<br") else "")
        else:
            pieces.append(_plain(child) if child.children else child.content)
    return "".join(pieces)


def _table(tokens: Sequence[Token]) -> Block:
    rows: list[tuple[str, ...]] = []
    cells: list[str] = []
    for token in tokens:
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(_plain(token).strip())
        elif token.type == "tr_close":
            rows.append(tuple(cells))
    return Block(Kind.TABLE, rows=tuple(rows))


def read_markdown(text: str) -> list[Block]:
    """The blocks of a Markdown page."""
    tokens = MarkdownIt("commonmark").enable("table").parse(_FRONT_MATTER.sub("", text))
    blocks: list[Block] = []
    heading, table = False, -1
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            table = place
        elif token.type == "table_close":
            blocks.append(_table(tokens[table:place]))
            table = -1
        elif table >= 0:
            continue
        elif token.type == "heading_open":
            heading = True
        elif token.type == "heading_close":
            heading = False
        elif token.type == "inline" and (content := _plain(token)).strip():
            blocks.append(Block(Kind.HEADING if heading else Kind.TEXT, one_line(content)))
        elif token.type in ("fence", "code_block"):
            language = token.info.split()[0].lower() if token.info.strip() else ""
            blocks.append(Block(Kind.CODE, token.content.strip("\n"), language=language))
        elif token.type == "html_block":
            blocks += read_html(token.content)
    return blocks
