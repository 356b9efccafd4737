"""The same test for locust, where one machine does not make load enough."""

from __future__ import annotations

from optcore.scalability_analyzer.target import Endpoint

__all__ = ["locustfile"]


def locustfile(*endpoints: Endpoint) -> str:
    """A locustfile of users who ask the endpoints in turn, without a pause.

    locust counts from the start of a request, not from when it was due: a stall of the server
    shows in the calls that met it, not in those that would have come meanwhile.
    """
    lines = ["from locust import FastHttpUser, constant, task", ""]
    for number, endpoint in enumerate(endpoints):
        content = "" if endpoint.json is None else f", json={endpoint.json!r}"
        if endpoint.json is None and endpoint.content is not None:
            content = f", data={endpoint.content!r}"
        headers = f", headers={dict(endpoint.headers)!r}" if endpoint.headers else ""
        lines += [
            "",
            f"class Endpoint{number}(FastHttpUser):",
            f"    host = {_host(endpoint.url)!r}",
            "    wait_time = constant(0)",
            "",
            "    @task",
            "    def ask(self):",
            f"        self.client.request({endpoint.method!r}, {endpoint.url!r}{content}{headers})",
            "",
        ]
    return "\n".join(lines)


def _host(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.split('/')[0]}"
