"""Pages are read alike in every form, and a page that cannot be read says what was not found."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_pages import PAGES, TWIN

from conformance.docs.blocks import digest
from conformance.docs.page import parse_page, read_page
from conformance.docs.parts import PageError, Parameter

FORMS = {"txt": "plain", "md": "markdown", "html": "html"}


@pytest.mark.parametrize(("suffix", "form"), FORMS.items())
def test_every_form_gives_the_same_parts(suffix: str, form: str) -> None:
    page, plain = read_page(PAGES / f"twin.{suffix}"), read_page(TWIN)
    assert page.form == form
    assert page.missing == ()
    assert {name: digest(text) for name, text in page.rows.items()} == {
        name: digest(text) for name, text in plain.rows.items()
    }
    assert (page.errors, page.notes, page.parameters) == (plain.errors, plain.notes, plain.parameters)
    assert [sample.title for sample in page.samples] == ["cURL (JWT)", "cURL (HMAC API Key)", "Python"]


@pytest.mark.parametrize(("suffix", "form"), FORMS.items())
def test_the_form_is_told_without_a_suffix(suffix: str, form: str) -> None:
    assert parse_page((PAGES / f"twin.{suffix}").read_text("utf-8")).form == form


def test_parts_are_found() -> None:
    page = read_page(TWIN)
    assert (page.method, page.path, page.access) == ("DELETE", "/spot/orders/:id", "(JWT or API Key)")
    assert page.parameters == (
        Parameter("id", "STRING", "path", True, "The UUID that the order got when it was placed."),
    )
    assert [(row.status, row.errors) for row in page.errors] == [
        (400, ("invalid id",)),
        (403, ("FORBIDDEN",)),
        (404, ("ORDER_NOT_FOUND",)),
        (503, ("ENGINE_BUSY", "ENGINE_RESTARTING", "spot trading disabled")),
    ]
    assert page.notes[-1].fields == ("created_at", "updated_at")
    assert page.base_urls == ("https://api-sepolia.p99.world/api/v1",)
    assert page.example is not None
    assert len(page.example) == 14
    assert page.samples[-1].code.endswith('["status"])'), "what stands below the page is no code"


def test_tables_with_tabs_between_the_cells() -> None:
    text = TWIN.read_text("utf-8")
    for glued, apart in (
        ("NameTypeRequiredDescription", "Name\tType\tRequired\tDescription"),
        ("idSTRING (path)YESThe UUID", "id\tSTRING (path)\tYES\tThe UUID"),
        ("FieldNotes", "Field\tNotes"),
        ("statusIs", "status\tIs"),
        ("filled_qtyWhat", "filled_qty\tWhat"),
        ("avg_fill_priceMean", "avg_fill_price\tMean"),
        ("updated_atUnix", "updated_at\tUnix"),
        ("HTTPerrorWhen", "HTTP\terror\tWhen"),
        ("400invalid id:id", "400\tinvalid id\t:id"),
        ("403FORBIDDENIt", "403\tFORBIDDEN\tIt"),
        ("404ORDER_NOT_FOUNDUnknown", "404\tORDER_NOT_FOUND\tUnknown"),
        ("503ENGINE_BUSY", "503\tENGINE_BUSY"),
        ("disabledPassing", "disabled\tPassing"),
    ):
        assert text.count(glued) == 1, glued
        text = text.replace(glued, apart)
    apart_page, glued_page = parse_page(text), read_page(TWIN)
    assert apart_page.rows == glued_page.rows


def test_a_table_of_contents_is_not_the_section() -> None:
    contents = "\n\nOn this page\n\nDescription\n\nHTTP Request\n\nError Responses\n\nCode Examples\n"
    text = TWIN.read_text("utf-8")
    assert parse_page(text.replace("\nEdit this page", contents)).rows == parse_page(text).rows


def test_other_spellings_of_the_sections() -> None:
    text = (PAGES / "twin.md").read_text("utf-8")
    for ours, theirs in (
        ("## Request Parameters", "### Parameters"),
        ("## Error Responses", "## Errors"),
        ("## Code Examples", "## Code Samples"),
    ):
        text = text.replace(ours, theirs)
    assert parse_page(text).missing == ()


@pytest.mark.parametrize(
    ("title", "missing"),
    [
        ("HTTP Request", "method and path"),
        ("Request Parameters", "request parameters"),
        ("Response Example", "response example, field notes"),
        ("Error Responses", "error table"),
    ],
)
@pytest.mark.parametrize("suffix", FORMS)
def test_a_page_without_an_essential_part_is_refused(suffix: str, title: str, missing: str) -> None:
    text = (PAGES / f"twin.{suffix}").read_text("utf-8").replace(title, "Something Else")
    with pytest.raises(PageError) as caught:
        parse_page(text, f"twin.{suffix}")
    assert caught.value.message.endswith(f"not found: {missing}")
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("text", ["", "hello", "# Hello\n\nworld\n", "<html><p>404 Not Found</p></html>", "{}"])
def test_what_is_no_page_names_all_that_was_not_found(text: str) -> None:
    with pytest.raises(PageError, match=r"method and path.*request parameters.*response example.*error table"):
        parse_page(text)


def test_a_row_that_cannot_be_split_is_named() -> None:
    text = TWIN.read_text("utf-8").replace("403FORBIDDENIt is", "403 what is this")
    with pytest.raises(PageError, match=r"a row of the table in Error Responses .*403 what is this"):
        parse_page(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="cannot read"):
        read_page(tmp_path / "nothing.txt")
    with pytest.raises(PageError, match="cannot read"):
        read_page(tmp_path)
    picture = tmp_path / "page.txt"
    picture.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(PageError, match="not UTF-8"):
        read_page(picture)


def test_broken_html_is_read_as_far_as_it_goes() -> None:
    text = (PAGES / "twin.html").read_text("utf-8")
    for tag in ("</p>", "</td>", "</tr>", "</th>", "</li>"):
        text = text.replace(tag, "")
    assert [row.status for row in parse_page(text).errors] == [400, 403, 404, 503]
