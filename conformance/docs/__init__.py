"""The docs page as a party of its own: checked against the OpenAPI document, and its code samples run.

`read_page` reads a page in any form in which people have it; `check_page` says what page and document say
differently; `run_page` executes the page's samples; `coverage` sets each statement beside its verdict.
"""
