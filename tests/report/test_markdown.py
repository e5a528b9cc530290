"""`summary.md`: says the same as the report, shortly, and nothing that a target said becomes Markdown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import samples
from markdown_it import MarkdownIt

from conformance.report.markdown import block, escaped, span


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


def test_it_tells_verdict_counts_findings_and_reasons(written: dict[str, Path]) -> None:
    html = rendered((written["small"] / "summary.md").read_text("utf-8"))
    assert "<h1>Violated: 2 of 19 MUST requirements do not hold</h1>" in html
    assert "<td>MUST</td>" in html
    assert "spot-conformance replay F1" in html
    assert "The market would not match the crossing order." in html
    assert "spot-conformance run --seed 7" in html


def test_nothing_hostile_becomes_a_tag_a_link_or_a_picture(written: dict[str, Path]) -> None:
    text = (written["hostile"] / "summary.md").read_text("utf-8")
    html = rendered(text)
    tags = set(re.findall(r"<(/?[a-z0-9]+)", html))
    assert {tag.strip("/") for tag in tags} <= {
        "h1", "h2", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "code", "pre",
    }  # fmt: skip
    # GitHub makes links of bare addresses too, but not inside of code
    assert not re.search(r"[a-z]://|www\.", without_code(text))
    assert "\x1b" not in text


def without_code(text: str) -> str:
    """What is left of `text` without code spans and blocks, backslashes kept."""
    return re.sub(
        r"(`+) .*? \1", "", re.sub(r"^```+.*?^```+$", "", text, flags=re.DOTALL | re.MULTILINE), flags=re.DOTALL
    )


@pytest.mark.parametrize("text", samples.HOSTILE)
def test_escaping_shows_exactly_the_text(text: str) -> None:
    visible = text.replace("\x00", "").replace("\ud800", "")
    plain = re.sub(r"<[^>]+>", "", rendered(escaped(visible)))
    wanted = (
        " ".join(visible.split())
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
    )
    assert plain.strip() == wanted
    html = rendered(span(visible, 1000))
    assert re.fullmatch(r"<p><code>.*</code></p>\n", html)
    assert rendered("\n".join(block(visible))).count("<pre>") == 1


def test_it_stays_short(written: dict[str, Path]) -> None:
    assert (written["large"] / "summary.md").stat().st_size < 100_000
