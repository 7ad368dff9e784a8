from hypothesis import given
from hypothesis import strategies as st

from cloud.core.touched import HOUR_MS, Touched

NEWS = st.lists(st.tuples(st.integers(1, 4), st.integers(-3 * HOUR_MS, 3 * HOUR_MS)))


@given(NEWS, NEWS)
def test_every_hour_and_the_earliest_of_each_sensor_are_named(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    touched = Touched.of(some).plus(Touched.of(others))
    news = [*some, *others]
    assert touched == Touched.of(news)
    assert touched.hours == {(sensor, at // HOUR_MS) for sensor, at in news}
    assert touched.earliest_ms == {
        sensor: min(at for other, at in news if other == sensor) for sensor, _ in news
    }
