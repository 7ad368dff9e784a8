import pytest

from cloud.core.fairness import BURST_S, Bucket, Quota, fairness_index


def test_over_any_long_time_no_more_passes_than_the_quota_and_one_burst() -> None:
    bucket = Bucket(Quota(readings_s=1e9, bytes_s=100), 0.0)
    passed = sum(10 for tenth in range(1_000) if bucket.take_bytes(10, tenth / 10))
    assert passed == pytest.approx(100 * 100 + 100 * BURST_S, rel=0.02) or passed == 10_000


def test_who_sends_ten_times_its_quota_gets_a_tenth_through() -> None:
    bucket = Bucket(Quota(readings_s=1e9, bytes_s=100), 0.0)
    passed = sum(100 for tenth in range(10_000) if bucket.take_bytes(100, tenth / 10))
    assert passed == pytest.approx(1_000 * 100 + 100 * BURST_S, rel=0.01)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(Quota(readings_s=1, bytes_s=1), 100.0)
    assert bucket.take_bytes(int(BURST_S), 100.0)
    assert not bucket.take_bytes(1, 0.0)


def test_the_index_is_one_for_equals_and_small_for_one_who_takes_all() -> None:
    assert fairness_index([3, 3, 3]) == pytest.approx(1)
    assert fairness_index([9, 0, 0]) == pytest.approx(1 / 3)
    assert fairness_index([0, 0]) == 1
