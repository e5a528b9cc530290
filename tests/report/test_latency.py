"""How long answers took: percentiles and buckets, as a result has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conformance.assemble import _BUCKETS_MS, _Statistics
from conformance.record import Exchange, Request, Response

_TIMES_MS = st.one_of(st.sampled_from([0.0, *_BUCKETS_MS[:-1]]), st.floats(0, 9000))


@given(st.lists(_TIMES_MS, min_size=1, max_size=30))
def test_each_answer_is_in_the_first_bucket_that_is_not_too_short_for_it(times: list[float]) -> None:
    statistics = _Statistics()
    for n, ms in enumerate(times):
        statistics.add(
            Exchange(
                n,
                "a::case",
                "suite",
                "cancel_order",
                0.0,
                ms / 1000,
                0.0,
                Request("DELETE", "/"),
                response=Response(200),
            )
        )
    (latency,) = statistics.latency()
    taken = [ms / 1000 * 1000 for ms in times]  # as it is computed, to the last bit
    expected = {
        min(bound, 1e9): sum(before < ms <= bound for ms in taken)
        for before, bound in zip((-1.0, *_BUCKETS_MS), _BUCKETS_MS, strict=False)
    }
    assert latency.buckets == [(bound, count) for bound, count in expected.items() if count]
    assert (latency.count, latency.max_ms) == (len(times), round(max(taken), 3))
