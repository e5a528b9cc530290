"""Says in a terminal what a check of a page found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from conformance.contract import load_contract
from conformance.docs.blocks import digest
from conformance.docs.check import check_page
from conformance.docs.differences import Difference, load_digests, load_known
from conformance.docs.page import Page, read_page
from conformance.report.text import plural, visible

_HEAD = """\
# The wording of each source row of the Cancel Order page, as the requirements were written from it: a digest of it
# without white space (so that HTML, Markdown and plain text give the same). A row that is gone or changed makes its
# requirements stale. After reading the change and mending what it means, write anew:
#   spot-conformance docs check PAGE --digests > openapi/source-rows.yaml
schema: spot-conformance/source-rows/1
rows:
"""


def digests_text(page: Page) -> str:
    """The text of `source-rows.yaml` for this page."""
    lines = (
        f"  {json.dumps(name) if ': ' in name else name}: '{digest(text)}'\n" for name, text in page.rows.items()
    )
    return _HEAD + "".join(lines)


def check(path: Path, console: Console, *, accept_known: bool, as_json: bool, digests: bool) -> int:
    """Check the page at `path` and say what was found; the exit status.

    0 if page and document say the same (`accept_known`: but for what is known), 1 if they do not. Raises PageError
    (2) if the page cannot be read.
    """
    page = read_page(path)
    if digests:
        print(digests_text(page), end="")
        return 0
    found = check_page(page, load_contract(), load_digests(), load_known())
    if as_json:
        print(json.dumps([asdict(difference) for difference in found], indent=1, ensure_ascii=False))
    else:
        _print(path, page, found, console)
    return int(any(not (accept_known and difference.known) for difference in found))


def _print(path: Path, page: Page, found: Sequence[Difference], console: Console) -> None:
    console.print(f"{path}, read as {page.form}: {_parts(page)}", markup=False, soft_wrap=True)
    for difference in found:
        mark = "· known" if difference.known else "✗"
        console.print(f"{mark} {difference.id}: {visible(difference.message)}", markup=False, soft_wrap=True)
        if (difference.page, difference.document) != ("-", "-"):
            console.print(f"    page      {visible(difference.page)}", markup=False, soft_wrap=True)
            console.print(f"    document  {visible(difference.document)}", markup=False, soft_wrap=True)
        if difference.known:
            console.print(f"    why       {difference.known}", markup=False, soft_wrap=True)
    new = sum(1 for difference in found if difference.known is None)
    known = len(found) - new
    if not found:
        console.print("page and document say the same")
    else:
        console.print(f"{plural(new, 'new difference')}, {known} known")


def _parts(page: Page) -> str:
    counts = [
        plural(len(page.parameters), "parameter"),
        plural(len(page.example or {}), "field"),
        plural(len(page.notes), "note"),
        plural(len(page.errors), "error row"),
        plural(len(page.samples), "sample"),
    ]
    return f"{page.method} {page.path}, {', '.join(counts)}"
