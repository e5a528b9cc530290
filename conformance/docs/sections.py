"""The sections of a docs page, by the names that pages give them."""

from __future__ import annotations

import re
from enum import StrEnum


class Section(StrEnum):
    """A section, under the name that the requirements' sources use."""

    DESCRIPTION = "Description"
    REQUEST = "HTTP Request"
    WEIGHT = "Weight"
    PARAMETERS = "Request Parameters"
    RESPONSE = "Response Example"
    ERRORS = "Error Responses"
    CODE = "Code Examples"


_NAMES = {
    Section.DESCRIPTION: ("description", "overview", "summary"),
    Section.REQUEST: ("http request", "request", "endpoint"),
    Section.WEIGHT: ("weight", "rate limit", "rate limits"),
    Section.PARAMETERS: ("request parameters", "parameters", "path parameters"),
    Section.RESPONSE: ("response example", "response", "example response", "response examples"),
    Section.ERRORS: ("error responses", "errors", "error codes", "error response"),
    Section.CODE: ("code examples", "code samples", "code example", "examples", "samples"),
}
_BY_NAME = {name: section for section, names in _NAMES.items() for name in names}


def section_of(heading: str) -> Section | None:
    """The section that a heading begins, None if it begins none."""
    words = re.sub(r"[#\u200b:]", " ", heading).lower().split()
    return _BY_NAME.get(" ".join(words))
