"""The bench's clock: one file that several processes map."""

from pathlib import Path

import pytest

from gateway.clock import CLOCK_FILE_ENV, BenchClock, Clock, clock_from_env
from gateway.errors import ConfigError


def test_every_process_on_the_bench_sees_the_jump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = BenchClock.create(tmp_path / "clock")
    monkeypatch.setenv(CLOCK_FILE_ENV, str(tmp_path / "clock"))
    other = clock_from_env()
    before = Clock().utc_ms()

    bench.advance(3_600_000)
    bench.advance(-600_000)

    assert 0 <= other.utc_ms() - before - 3_000_000 < 60_000


def test_without_the_variable_it_is_the_machines_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLOCK_FILE_ENV, raising=False)

    assert type(clock_from_env()) is Clock


@pytest.mark.parametrize("content", [None, b"short"])
def test_a_missing_or_short_file_is_a_configuration_error(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "clock"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match="bench clock"):
        BenchClock(path)
