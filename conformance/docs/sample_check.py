"""A page's code samples against the document: what they would send, and how they sign it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.docs.differences import Difference, slug
from conformance.docs.document import Operation
from conformance.docs.page import Page
from conformance.docs.parts import Sample
from conformance.docs.recipe import Recipe, read_recipe
from conformance.docs.samples import repair


def check_samples(page: Page, operation: Operation) -> Iterator[Difference]:
    """What the samples get wrong, and which credential no sample shows."""
    used: set[str] = set()
    for sample in page.samples:
        recipe = read_recipe(sample)
        used |= recipe.headers
        name = f"sample.{slug(sample.title)}"
        yield from _printed(name, sample)
        yield from _sent(name, sample, recipe, operation)
        if recipe.signs:
            yield from _signed(name, recipe)
    lower = {header.lower() for header in used}
    for header in sorted(operation.headers):
        if page.samples and header.lower() not in lower:
            yield Difference(f"header.{slug(header)}.document-only", f"no sample sends {header}", "-", header)


def _printed(name: str, sample: Sample) -> Iterator[Difference]:
    mended = repair(sample)
    for text in mended.repairs:
        kind = "indentation" if "indentation" in text else "quotes"
        yield Difference(
            f"{name}.{kind}", f"the sample cannot work as it is printed: {text}", sample.title, "code that runs"
        )
    if mended.broken:
        yield Difference(
            f"{name}.broken",
            f"the sample cannot work as it is printed: {mended.broken}",
            sample.title,
            "code that runs",
        )


def _sent(name: str, sample: Sample, recipe: Recipe, operation: Operation) -> Iterator[Difference]:
    if recipe.method is not None and recipe.method != operation.method:
        yield Difference(f"{name}.method", "the sample uses another method", recipe.method, operation.method)
    stem = re.split(r"\{", operation.path)[0]
    paths = re.findall(r"/spot/[\w/]*", sample.code)
    if not any(path.startswith(stem) for path in paths):
        yield Difference(
            f"{name}.path", "the sample asks for another path", ", ".join(paths) or "-", operation.path
        )
    allowed = {header.lower() for header in operation.headers} | {"content-type", "accept"}
    for header in sorted(recipe.headers):
        if header.lower() not in allowed:
            yield Difference(
                f"{name}.header.{slug(header)}.page-only",
                f"the sample sends the header {header}, which the document does not have",
                header,
                ", ".join(sorted(operation.headers)),
            )
    if recipe.signs:
        for parameter in sorted(operation.query - set(recipe.query)):
            yield Difference(
                f"{name}.query.{slug(parameter)}.document-only",
                f"the sample does not send {parameter} in the query",
                ", ".join(recipe.query) or "-",
                parameter,
            )
    for parameter in recipe.query:
        if parameter not in operation.query and parameter not in operation.parameters:
            yield Difference(
                f"{name}.query.{slug(parameter)}.page-only",
                f"the sample sends the parameter {parameter}, which the document does not have",
                parameter,
                ", ".join(sorted(operation.query)),
            )


def _signed(name: str, recipe: Recipe) -> Iterator[Difference]:
    """The signature's recipe against the documented one: HMAC-SHA256, lower-case hex, over the query without it."""

    def wrong(part: str, message: str, seen: str, right: str) -> Difference:
        return Difference(
            f"{name}.signature.{part}", f"the sample's signature recipe is wrong: {message}", seen, right
        )

    if recipe.hash is not None and recipe.hash not in ("sha256", "sha-256"):
        yield wrong("hash", "another hash", recipe.hash, "sha256")
    if recipe.key is not None and "secret" not in recipe.key.lower():
        yield wrong("key", "it is not made under the secret", recipe.key, "the API secret")
    if recipe.signed is not None and recipe.sent is not None and recipe.signed != recipe.sent:
        yield wrong("payload", "what is signed is not the query without the signature", recipe.signed, recipe.sent)
    if recipe.newline:
        yield wrong("newline", "a newline is signed as well", "echo without -n", "the query alone")
    if recipe.unit == "s":
        yield wrong("unit", "the timestamp is in seconds", "seconds", "milliseconds")
    if recipe.encoding not in (None, "hex"):
        yield wrong("encoding", "it is not lower-case hex", str(recipe.encoding), "lower-case hex")
    unknown = [
        part for part in ("hash", "key", "signed", "sent", "unit", "encoding") if getattr(recipe, part) is None
    ]
    if unknown:
        yield Difference(
            f"{name}.signature.unread",
            f"the sample signs, but its text does not tell {', '.join(unknown)}; docs run does",
            "-",
            "HMAC-SHA256, lower-case hex, under the secret, of the query without signature; timestamp in ms",
        )
