"""What the operator's tools ask: metrics, whether the process lives, whether it takes mail.

    GET /metrics    for Prometheus: text, or OpenMetrics where that is asked for
    GET /healthz    200 as long as the process answers: restart it when it does not
    GET /readyz     200 while it takes mail, 503 before, while stopping, and with a process missing

Ready means that the listeners are open. A next hop that is away does not make us unready: it is
away for the other relays as well, as a rule, and a load balancer that took all of them out would
turn "451 try again" into a refused connection. The same holds for the store: without it mail passes
unchanged. Both show in the metrics, where an alert belongs.

Nothing here is for the public: no name of a company, no address. It is served on a port of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import (
    MultiProcessCollector,
    mark_process_dead,  # pyright: ignore[reportUnknownVariableType] (the library's has no types)
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

# What gives metrics, whoever collects them.
Source = Collector

HEADERS = {"Cache-Control": "no-store"}

# Set for a process whose metrics are added up with those of others: the library reads it when it is
# imported, and keeps its numbers in files in that folder.
SHARED_METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the admin port tells besides the metrics; each is asked for anew."""

    version: str
    waiting_for: Callable[[], tuple[str, ...]]  # What keeps us from being ready; empty when we are.
    processes: Callable[[], Mapping[str, int]]  # Process ids by a name from a closed set.


def create_app(source: Source, facts: Facts) -> Starlette:
    """Return the application; `source` gives the relay's metrics."""
    registry = CollectorRegistry()
    registry.register(_Build(facts.version))
    registry.register(_Processes(facts.processes))

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # A few hundred numbers: two milliseconds, less than a thread would cost.
        text = encode(_Both(source, registry))
        return Response(text, headers={**HEADERS, "Content-Type": content_type})

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=HEADERS)

    async def readyz(_request: Request) -> Response:
        waiting_for = facts.waiting_for()
        if waiting_for:
            text = f"not ready: {', '.join(waiting_for)}\n"
            return PlainTextResponse(text, 503, headers=HEADERS)
        return PlainTextResponse("ok\n", headers=HEADERS)

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ]
    )


class SharedMetrics:
    """The metrics of several processes, added up from the files in which they keep them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = CollectorRegistry()
        MultiProcessCollector(self.registry, path=str(folder))  # type: ignore[no-untyped-call]

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to keep its metrics there."""
        return {SHARED_METRICS_VARIABLE: str(self.folder)}

    def forget(self, process_id: int) -> None:
        """Take out what a process that has ended was holding; what it counted stays counted."""
        mark_process_dead(process_id, path=str(self.folder))  # type: ignore[no-untyped-call]


class _Both(Collector):
    """Two sources of metrics as one."""

    def __init__(self, first: Collector, second: Collector) -> None:
        self._sources = (first, second)

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            yield from source.collect()


class _Build(Collector):
    """Which version runs."""

    def __init__(self, version: str) -> None:
        self._version = version

    def collect(self) -> Iterator[Metric]:
        text = "The version of Career Relay that runs."
        yield InfoMetricFamily("careerrelay_build", text, {"version": self._version})


class _Processes(Collector):
    """Memory, CPU time and open files of each process, under Prometheus' usual names."""

    def __init__(self, processes: Callable[[], Mapping[str, int]]) -> None:
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        whole: dict[str, Metric] = {}
        for name, process_id in self._processes().items():
            for found in _of_process(process_id):
                empty = Metric(found.name, found.documentation, found.type)
                metric = whole.setdefault(found.name, empty)
                metric.samples += [_with_process(sample, name) for sample in found.samples]
        return iter(whole.values())


def _of_process(process_id: int) -> list[Metric]:
    # A process that has just ended has no numbers; the library leaves them out.
    return list(ProcessCollector(pid=lambda: process_id, registry=None).collect())


def _with_process(sample: Sample, name: str) -> Sample:
    return Sample(sample.name, {**sample.labels, "process": name}, sample.value)


def this_process() -> Mapping[str, int]:
    """Return the processes of a service that has one."""
    return {"main": os.getpid()}
