"""A board that was off the network for days: what it says at once is found by day, and verifies."""

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import records
from tests.delivery.bench import NOW_MS, Office, a_tally

HOUR_MS = 3_600_000


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(-3, 30)), min_size=1, max_size=25),
    st.integers(1, 25),
)
def test_records_of_many_hours_are_found_by_time_and_verify(tmp_path_factory, steps, batch) -> None:
    office = Office(tmp_path_factory.mktemp("office"))
    device = office.device()
    at_ms, times, said = NOW_MS - 40 * 24 * HOUR_MS, [], []
    for count, hours in steps:
        first = len(device.said) + 1
        for _ in range(count):
            at_ms += hours * HOUR_MS // 3
            tally = a_tally(len(device.said) + 1, utc_ms=at_ms)
            device.said.append(records.encode_record(tally))
            times.append(at_ms)
        said.append(device.ev(first, len(device.said)))

    for start in range(0, len(said), batch):
        office.take(*said[start : start + batch])

    assert [] == office.ledger.verify()
    since_ms, until_ms = sorted(times)[len(times) // 3], sorted(times)[len(times) // 2] + 1
    assert [at for at in times if since_ms <= at < until_ms] == [
        record.occurred_ms for record in office.ledger.records(since_ms, until_ms)
    ]
    office.ledger.close()
