"""The whole analysis: what limits, what it would take, and how it is told."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from optcore.cli import main
from optcore.errors import ConfigError
from optcore.scalability_analyzer import (
    Endpoint,
    ScalabilityAnalyzer,
    ScalabilityConfig,
    ScalabilityResult,
)
from optcore.scalability_analyzer.locust import locustfile

sys.path.insert(0, str(Path(__file__).parent))
import targets

LADDER = [{"concurrent_users": n, "duration": 0.3} for n in (1, 2, 4, 8)]


def config(**changes: Any) -> ScalabilityConfig:
    return ScalabilityConfig(ramp_up_time=0.0, max_workers=2, **changes)


def analyse(function: Any, scenarios: Any = None, **changes: Any) -> ScalabilityResult:
    analyzer = ScalabilityAnalyzer(config(**changes))
    return analyzer.run_comprehensive_analysis(function, scenarios or LADDER)


@pytest.fixture(scope="module")
def asleep() -> ScalabilityResult:
    """1 ms a call, as many at once as one likes: X(N) = N / 1.06 ms."""
    return analyse(targets.sleep_ms, enable_auto_scaling=True, target_throughput=2000.0,
                   max_response_time=0.1, prices={"cpu_hour": 0.04, "gb_hour": 0.005})  # fmt: skip


def test_the_resource_that_limits_is_named_with_its_evidence() -> None:
    users = [{"concurrent_users": 4, "duration": 0.6}]
    lock = analyse(targets.locked, users).targets[0].limit
    assert lock is not None
    assert lock.kind == "lock"
    assert "locked" in lock.evidence
    interpreter = analyse(targets.spinning, users).targets[0].limit
    assert interpreter is not None
    assert interpreter.kind in ("gil", "cpu")  # on one processor they are the same
    block = bytes(1 << 20)
    native = analyse(lambda: hashlib.sha256(block), users, cpu_threshold=30.0).targets[0].limit
    assert native is not None
    assert native.kind == "cpu"
    assert {kind for kind, _ in native.candidates} >= {"cpu", "gil", "lock", "io", "memory", "gpu"}


def test_a_target_that_only_waits_is_said_to_have_room(asleep: ScalabilityResult) -> None:
    found = asleep.targets[0]
    assert found.limit is not None
    alone = "other programs" not in found.limit.evidence
    assert not alone or found.limit.kind in ("sleep", "none")
    assert found.usl is not None
    assert found.usl.rate == pytest.approx(asleep.scenarios[0].throughput, rel=0.4)
    assert found.usl.contention < 0.2
    assert found.sizing is not None
    assert found.sizing.replicas == 1
    assert found.sizing.vertical.cost_hour is not None


def test_a_lock_makes_one_instance_useless_to_enlarge() -> None:
    for _ in range(3):  # where other programs keep the processors busy, the lock waits less: again
        found = analyse(
            targets.locked, target_throughput=2000.0, max_response_time=0.1
        ).targets[0]  # fmt: skip
        assert found.sizing is not None
        if not found.sizing.vertical.possible:
            break
    assert found.sizing is not None
    assert found.limit is not None
    busy = any("other programs" in said for _, said in found.limit.candidates)
    if found.sizing.vertical.possible and busy:
        pytest.skip("other programs keep the processors busy: the knee lies where nobody waits")
    assert found.knee is not None
    # 2 ms under one lock: some 480 calls a second from one replica
    assert found.sizing.servers_per_replica == 1
    assert found.sizing.replicas is not None
    assert 4 <= found.sizing.replicas <= 8
    assert not found.sizing.vertical.possible
    assert "lock" in found.sizing.vertical.reason
    assert found.sizing.recommendation.startswith("horizontal")


def test_auto_scaling_is_advice_that_kubernetes_reads(asleep: ScalabilityResult) -> None:
    advice = asleep.targets[0].advice
    assert advice is not None
    assert advice.min_replicas <= advice.replicas <= advice.max_replicas
    read = yaml.safe_load(advice.to_yaml("inference", "robots"))
    assert read == advice.manifest("inference", "robots")
    assert read["apiVersion"] == "autoscaling/v2"
    assert read["spec"]["scaleTargetRef"]["name"] == "inference"
    assert json.loads(advice.to_json())["replicas"] == advice.replicas
    with pytest.raises(ConfigError, match="DNS label"):
        advice.manifest("In ference")


def test_advice_is_given_to_the_callback_and_stays_within_its_bounds() -> None:
    told: list[Any] = []
    analyzer = ScalabilityAnalyzer(
        config(enable_auto_scaling=True, target_throughput=1e6, max_replicas=3),
        on_recommendation=told.append,
    )
    analyzer.run_comprehensive_analysis(targets.sleep_ms, LADDER[:1])
    assert [advice.replicas for advice in told] == [3]
    assert told[0].limited


def test_reports_hold_what_was_measured(asleep: ScalabilityResult) -> None:
    analyzer = ScalabilityAnalyzer(config())
    text = analyzer.generate_scaling_report(asleep)
    assert "scaling law rate" in text
    assert "4 users" in text
    read = json.loads(analyzer.generate_scaling_report(asleep, "json"))
    assert [s["name"] for s in read["targets"][0]["scenarios"]] == [
        "1 user", "2 users", "4 users", "8 users"
    ]  # fmt: skip
    rows = analyzer.generate_scaling_report(asleep, "csv").splitlines()
    assert len(rows) == 5
    assert len({row.count(",") for row in rows}) == 1
    with pytest.raises(ConfigError, match="format must be one of"):
        analyzer.generate_scaling_report(asleep, "pdf")


def test_the_page_has_its_pictures_inside_with_names_and_units(asleep: ScalabilityResult) -> None:
    page = ScalabilityAnalyzer(config()).generate_scaling_report(asleep, "html")
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 3 + len(LADDER)
    for picture in pictures:
        ElementTree.fromstring(picture)
    for label in ("users at once", "throughput, calls/s", "response time, ms",
                  "time the call was due, s", "95% interval of the law"):  # fmt: skip
        assert label in page
    fetched = re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', page)
    assert not fetched
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_errors_and_doubts_are_part_of_the_report() -> None:
    result = analyse(targets.failing, [{"concurrent_users": 1, "duration": 0.1}])
    for format in ("text", "html"):
        page = ScalabilityAnalyzer(config()).generate_scaling_report(result, format)
        assert "planted" in page
    assert "NaN" not in ScalabilityAnalyzer(config()).generate_scaling_report(result, "json")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = 500 if self.path == "/bad" else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_endpoints_are_loaded_over_http(server: str, executor: str) -> None:
    analyzer = ScalabilityAnalyzer(config(test_endpoints=[f"{server}/bad"]))
    result = analyzer.run_comprehensive_analysis(
        test_scenarios=[{"concurrent_users": 2, "duration": 0.4, "executor": executor}],
        endpoints=[f"{server}/good"],
    )
    good, bad = result.targets
    assert good.target.endswith("/good")
    assert good.scenarios[0].throughput > 0
    assert good.scenarios[0].errors == 0
    assert bad.scenarios[0].errors > 0
    assert bad.scenarios[0].response.count == 0
    assert "500" in (bad.scenarios[0].first_error or "")


def test_a_url_that_is_none_is_refused() -> None:
    wrong: Any
    for wrong in ("file:///etc/passwd", "http://[::1", "http://a:99999", "http://", 5, None):
        with pytest.raises(ConfigError, match="need an http or https URL"):
            Endpoint(wrong)


def test_a_locustfile_asks_the_same() -> None:
    text = locustfile(Endpoint("http://host:8000/a?b='c'", "POST", json={"x": [1]}))
    compile(text, "locustfile.py", "exec")
    assert "'http://host:8000'" in text
    assert "json={'x': [1]}" in text


def test_the_command_writes_reports_and_manifests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    page = tmp_path / "load.html"
    common = ["--duration", "0.2", "--ramp", "0", "--quiet"]
    assert main(["load", "targets:sleep_ms", "--users", "1,2,3,4", *common, "--usl",
                 "-o", str(page), "--json"]) == 0  # fmt: skip
    assert len(json.loads(capsys.readouterr().out)["targets"][0]["scenarios"]) == 4
    assert "<svg" in page.read_text()
    assert main(["load", "targets:nothing", "--rate", "500", *common, "--hpa", "robot"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "HorizontalPodAutoscaler"
    assert main(["load", "targets:pause", "--users", "1", *common]) == 2
    assert "missing a required argument: 'seconds'" in capsys.readouterr().err
    assert main(["load", "targets:sleep_ms", "--users", "1", *common, "--usl"]) == 2
    assert main(["load", "targets:sleep_ms", "--users", "1", *common,
                 "--target-response", "1e-5"]) == 3  # fmt: skip
    capsys.readouterr()
    for wrong in ("targets", "targets:missing", "no_such_module:f"):
        assert main(["load", wrong, *common]) == 2
        assert wrong.partition(":")[2] in capsys.readouterr().err


def test_the_manuals_example_runs() -> None:
    analyzer = ScalabilityAnalyzer()
    result = analyzer.run_comprehensive_analysis(
        target_function=targets.sleep_ms,
        test_scenarios=[
            {"concurrent_users": 10, "duration": 0.2, "ramp_up": 0.0},
            {"concurrent_users": 100, "duration": 0.2, "ramp_up": 0.0},
        ],
    )
    report = analyzer.generate_scaling_report(result)
    assert "100 users" in report


def test_the_configuration_checks_itself() -> None:
    found = ScalabilityConfig()
    assert (found.load_test_duration, found.ramp_up_time, found.max_replicas) == (60.0, 10.0, 10)
    with pytest.raises(ConfigError, match="min_replicas must not exceed"):
        ScalabilityConfig(min_replicas=5, max_replicas=2)
    with pytest.raises(ConfigError, match="prices: unknown 'cpu'"):
        ScalabilityConfig(prices={"cpu": 1.0})
    with pytest.raises(ConfigError, match="did you mean"):
        ScalabilityConfig.from_dict({"max_worker": 2})
