"""What the web process tells about itself, for Prometheus. A registry per site: tests make many."""

from prometheus_client import CollectorRegistry, Gauge

from cloud.http.live import Hub


def make_registry(hub: Hub) -> CollectorRegistry:
    registry = CollectorRegistry()
    viewers = Gauge("binline_live_viewers", "Open live walls", registry=registry)
    viewers.set_function(lambda: hub.viewers)
    up = Gauge(
        "binline_live_up", "1 while the live wall gets answers from the database", registry=registry
    )
    up.set_function(lambda: 0 if hub.away else 1)
    return registry
