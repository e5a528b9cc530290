"""The pages of the tests: the page at hand, its twin in other words, and how to check either."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from conformance.contract import load_contract
from conformance.docs.blocks import digest
from conformance.docs.check import check_page
from conformance.docs.differences import Difference, load_digests, load_known
from conformance.docs.page import parse_page

HERE = Path(__file__).parent
PAGES = HERE / "pages"
TWIN = PAGES / "twin.txt"
# the venue's page is not ours to keep in the repository: it is read where it lies, beside the checkout
AT_HAND = Path(
    os.environ.get("SPOT_CONFORMANCE_DOCS_PAGE") or HERE.parents[2] / "shared" / "contract" / "cancel-order.txt"
)


@dataclass(frozen=True)
class Original:
    """A page as it should be: its text, and the digests that its requirements were written from."""

    text: str
    digests: dict[str, str]

    def check(self, text: str | None = None, suffix: str = "") -> list[Difference]:
        page = parse_page(self.text if text is None else text, suffix=suffix)
        return check_page(page, load_contract(), self.digests, load_known())


def twin() -> Original:
    text = TWIN.read_text("utf-8")
    return Original(text, {name: digest(said) for name, said in parse_page(text).rows.items()})


def at_hand() -> Original:
    """Read the page at hand with the digests that are kept; its twin stands in where it does not lie beside us."""
    if not AT_HAND.is_file() and "SPOT_CONFORMANCE_DOCS_PAGE" not in os.environ:
        return twin()
    return Original(AT_HAND.read_text("utf-8"), load_digests())
