"""The dashboard's settings, from the environment."""

from pydantic import AnyHttpUrl

from gateway_common.settings import Port, ProcessSettings


class DashboardSettings(ProcessSettings):
    port: Port = 3000
    metrics_port: Port = 9103
    api_url: AnyHttpUrl = AnyHttpUrl("http://localhost:8000")
    """The API as this process reaches it, inside a cluster its service name."""
