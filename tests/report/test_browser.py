"""`report.html` in a browser: accessible, self-contained, harmless, and usable with and without its script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from conformance.report.result import Result

pytestmark = pytest.mark.browser
Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, written: dict[str, Path]) -> Iterator[Open]:
    """Opens a sample's page; afterwards nothing may have been requested, logged or asked of the reader."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def go(name: str, fragment: str = "", *, width: int = 1280, scheme: Any = "light", script: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "request", lambda r: None if r.url.startswith("file:") else trouble.append(f"requested {r.url[:80]}")
        )
        page.on("console", lambda m: trouble.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: trouble.append(f"error: {e}"))
        page.on("dialog", lambda d: (trouble.append(f"dialog: {d.message}"), d.dismiss()))
        page.goto((written[name] / "report.html").as_uri() + fragment)
        return page

    yield go
    for context in contexts:
        context.close()
    assert [line for line in trouble if line != "requested data:,"] == []


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["violated", "conformant"])
def test_axe_finds_nothing(name: str, scheme: str, width: int, visit: Open) -> None:
    page = visit(name, width=width, scheme=scheme)
    open_all(page)
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(v["id"], v["nodes"][0]["html"], v["nodes"][0]["failureSummary"]) for v in found["violations"]] == []
    assert len(found["passes"]) > 20


def test_axe_would_find_something(visit: Open) -> None:
    """The control: the same check on the same page, with one word made unreadable."""
    page = visit("conformant")
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    page.evaluate("document.querySelector('.note').style.color = '#eee'")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert "color-contrast" in [v["id"] for v in found["violations"]]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("name", ["violated", "hostile"])
def test_nothing_is_wider_than_the_window(name: str, width: int, visit: Open) -> None:
    page = visit(name, width=width)
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_hostile_page_runs_nothing(visit: Open) -> None:
    page = visit("hostile")
    open_all(page)
    assert page.locator("script").count() == 1
    assert page.locator("[onerror], [onfocus], [onmouseover], img").count() == 0


def test_the_policy_would_stop_what_escaping_let_through(browser: Browser, written: dict[str, Path]) -> None:
    context = browser.new_context()
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda m: told.append(m.text))
    page.goto((written["hostile"] / "report.html").as_uri())
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend',"
        " '<button id=late onclick=\"window.bad = 1\">x</button><img src=http://127.0.0.1:9/x>')"
    )
    page.locator("#late").click()
    assert page.evaluate("window.bad") is None
    context.close()
    assert sum("Content Security Policy" in line for line in told) == 2


def test_search_and_filters_narrow_the_contract(visit: Open, results: dict[str, Result]) -> None:
    page = visit("violated")
    rows = page.locator(".statement:visible")
    everything = rows.count()
    page.get_by_label("Search").fill("FORBIDDEN partially")
    assert 0 < rows.count() < everything
    expect(page.locator(".shown")).to_have_text(f"{rows.count()} of {everything} statements")
    page.get_by_label("Search").fill("no such words")
    assert rows.count() == 0
    expect(page.get_by_text("No statement fits.")).to_be_visible()
    page.get_by_label("Search").fill("")
    page.get_by_label("Verdict").select_option("violated")
    assert rows.count() == sum(r.verdict == "violated" for r in results["violated"].requirements)
    page.get_by_label("Level").select_option("SHOULD")
    assert rows.count() == 1


@pytest.mark.parametrize("fragment", ["#cancel.races.one-winner", "#F3"])
def test_a_deep_link_opens_what_it_names(fragment: str, visit: Open) -> None:
    page = visit("violated", fragment)
    target = page.locator(f"[id='{fragment[1:]}']")
    expect(target).to_be_in_viewport()
    assert page.evaluate("id => !document.getElementById(id).closest('details:not([open])')", fragment[1:])


def test_a_link_shows_its_target_although_it_is_filtered_away(visit: Open) -> None:
    page = visit("violated")
    page.get_by_label("Verdict").select_option("held")
    page.evaluate("location.hash = '#cancel.errors.forbidden'")
    expect(page.locator("[id='cancel.errors.forbidden']")).to_be_in_viewport()


def test_it_is_complete_without_script(visit: Open, results: dict[str, Result]) -> None:
    page = visit("violated", script=False)
    assert not page.locator(".filter").is_visible()
    assert page.get_by_role("button", name="Copy").count() == 0
    assert page.locator(".statement:visible").count() == len(results["violated"].requirements)
    row = page.locator("[id='cancel.errors.forbidden']")
    row.locator("summary").click()
    expect(row.get_by_text("For a trader")).to_be_visible()
    page.locator("#F1 summary", has_text="curl").click()
    expect(page.locator("#F1 .curl pre")).to_be_visible()


def test_the_keyboard_reaches_and_opens(visit: Open) -> None:
    page = visit("violated")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the findings")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("article .slug").first).to_be_focused()
    page.locator("#F1 details summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#F1 details pre").first).to_be_visible()


def test_copying_takes_exactly_the_command(visit: Open) -> None:
    page = visit("violated")
    page.evaluate(
        "Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: text => { window.copied = text; return Promise.resolve(); }}})"
    )
    button = page.locator("#F1 .copy").first
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("window.copied") == "spot-conformance replay F1"


def test_print_opens_everything(visit: Open) -> None:
    page = visit("violated")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0


def test_a_large_run_is_quick(visit: Open) -> None:
    begin = time.monotonic()
    page = visit("large")
    page.get_by_label("Search").fill("canceled")
    expect(page.locator(".shown")).to_contain_text("statements")
    # a second on a desk; the bound leaves room for a busy machine
    assert time.monotonic() - begin < 10
