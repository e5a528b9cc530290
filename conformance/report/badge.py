"""`badge.svg`: how many MUST requirements held, in a label for a README."""

from __future__ import annotations

from html import escape

from conformance.report.overview import Overview

LABEL = "cancel order"
GREEN, RED, AMBER, GREY = "#2c6e49", "#a62b32", "#8a5a00", "#5b6270"
_HEIGHT, _PADDING, _CHARACTER = 20, 8, 6.6


def badge_text(overview: Overview) -> str:
    """What the badge says: MUST 88/95 held, with what keeps the number from being the whole story."""
    must = overview.must
    text = f"MUST {must.of('held')}/{must.total} held"
    undecided = sum(tally.of("undecided") for tally in overview.tallies)
    waived = sum(tally.of("waived") for tally in overview.tallies)
    notes = [f"{undecided} undecided"] * bool(undecided) + [f"{waived} waived"] * bool(waived)
    notes += ["partial"] * overview.result.partial
    return ", ".join([text, *notes])


def badge_colour(overview: Overview) -> str:
    """Green for a whole, conformant run with nothing undecided or waived, red for a violated one."""
    if overview.result.verdict == "violated":
        return RED
    if overview.result.verdict == "not_exercised":
        return GREY
    return GREEN if overview.clean_pass else AMBER


def render_badge(overview: Overview) -> bytes:
    """The badge as SVG in UTF-8: fixed sizes, no font or picture from elsewhere."""
    text = badge_text(overview)
    left = round(len(LABEL) * _CHARACTER + 2 * _PADDING)
    right = round(len(text) * _CHARACTER + 2 * _PADDING)
    name = escape(f"{LABEL}: {text}")

    def label(x: int, width: int, words: str) -> str:
        return f'<text x="{x + width / 2}" y="14" textLength="{width - 2 * _PADDING}">{escape(words)}</text>'

    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" '
        f'aria-label="{name}"><title>{name}</title>'
        f'<clipPath id="r"><rect width="{left + right}" height="{_HEIGHT}" rx="4"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="{_HEIGHT}" fill="#3b4048"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{badge_colour(overview)}"/></g>'
        '<g fill="#fff" text-anchor="middle" lengthAdjust="spacingAndGlyphs" '
        'font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">'
        f"{label(0, left, LABEL)}{label(left, right, text)}</g></svg>\n"
    ).encode()
