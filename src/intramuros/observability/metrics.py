"""What the server counts, in the text form Prometheus reads.

Fed by the server's guard (requests) and by tasks (tokens); read by `/metrics`. One registry per `Metrics`, so that two
applications in one process don't share counts. Knows numbers, route templates and model names; never who asked or what.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from intramuros.engines.engine import Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUEST_BOUNDS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
TOKENS = ("prompt", "cached", "completion")
BREAKER_STATES = ("closed", "half_open", "open")
TOKEN_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)


class Metrics:
    """Counters, gauges and histograms of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "intramuros_requests", "Requests answered", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "intramuros_request_seconds",
            "Time from a request's arrival to the last byte of its answer",
            ("route",),
            buckets=REQUEST_BOUNDS_S,
            registry=self.registry,
        )
        self.requests_open = Gauge("intramuros_requests_open", "Requests being answered now", registry=self.registry)
        self.audit_refusals = Counter(
            "intramuros_audit_refusals", "Requests whose audit record could not be written", registry=self.registry
        )
        self._audit_copy = Gauge(
            "intramuros_audit_copy_ok",
            "1 while the audit's second place can be written and agrees, else 0; missing without one",
            ("place",),
            registry=self.registry,
        )
        self._backup_ok = Gauge(
            "intramuros_backup_ok",
            "1 while scheduled backups are made in time and whole, else 0; missing without a schedule",
            ("folder",),
            registry=self.registry,
        )
        self._backup_at = Gauge(
            "intramuros_backup_last_timestamp_seconds",
            "When the last scheduled backup was made; missing before the first",
            ("folder",),
            registry=self.registry,
        )
        self._tokens = Counter("intramuros_tokens", "Tokens of generations", ("model", "kind"), registry=self.registry)
        self._first_token = Histogram(
            "intramuros_first_token_seconds",
            "Time to the first token, loading the model and waiting for a slot included",
            ("model",),
            buckets=TOKEN_BOUNDS_S,
            registry=self.registry,
        )
        self._generations = Counter(
            "intramuros_generations", "Generations by outcome", ("model", "outcome"), registry=self.registry
        )
        self._searches = Counter(
            "intramuros_searches",
            "Searches by ranking: words, fused, or lexical_only",
            ("ranking",),
            registry=self.registry,
        )
        self._engines = Gauge("intramuros_engines", "Engines by state", ("state",), registry=self.registry)
        self._upstream_up = Gauge(
            "intramuros_upstream_up",
            "1 while an upstream lists its models when it is looked at, else 0; missing where it isn't",
            ("upstream",),
            registry=self.registry,
        )
        self._upstream_seen = Gauge(
            "intramuros_upstream_last_seen_timestamp_seconds",
            "When an upstream last listed its models",
            ("upstream",),
            registry=self.registry,
        )
        self._breaker = Gauge(
            "intramuros_target_breaker",
            "1 for the state that a target's breaker is in: closed, half_open or open",
            ("target", "state"),
            registry=self.registry,
        )
        self._failures = Gauge(
            "intramuros_target_failures", "Failures of a target in a row", ("target",), registry=self.registry
        )
        # Finding a child by its labels costs more than counting: those of every request are kept.
        self._requests_of, self._seconds_of = cache(self._requests.labels), cache(self._seconds.labels)
        self._generations_of, self._first_token_of = cache(self._generations.labels), cache(self._first_token.labels)
        self._tokens_of = cache(lambda model: [self._tokens.labels(model, kind) for kind in TOKENS])

    def request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one answered request. `route` is the template of its path, never the path itself."""
        self._requests_of(route, method, status).inc()
        self._seconds_of(route).observe(seconds)

    def generation(self, *, model: str, outcome: str, usage: Usage, first_token_s: float | None) -> None:
        """Counts one generation: `outcome` is ok, failed or cancelled."""
        self._generations_of(model, outcome).inc()
        prompt, cached, completion = self._tokens_of(model)
        prompt.inc(usage.prompt_tokens)
        completion.inc(usage.completion_tokens)
        if usage.cached_tokens:
            cached.inc(usage.cached_tokens)
        if first_token_s is not None:
            self._first_token_of(model).observe(first_token_s)

    def search(self, ranking: str) -> None:
        """Counts one search: by `words`, `fused` with vectors, or `lexical_only` because the embedder failed."""
        self._searches.labels(ranking).inc()

    def audit_copy(self, place: str, *, ok: bool) -> None:
        """Says how the audit's second place does."""
        self._audit_copy.labels(place).set(ok)

    def backups(self, folder: str | None, *, ok: bool, last_at: float | None) -> None:
        """Says how scheduled backups stand, and when the last was made (seconds since the epoch); None: no schedule."""
        self._backup_ok.clear()
        self._backup_at.clear()
        if folder is not None:
            self._backup_ok.labels(folder).set(ok)
            if last_at is not None:
                self._backup_at.labels(folder).set(last_at)

    def engines(self, states: dict[str, int]) -> None:
        """Sets how many engines are in each state now."""
        self._engines.clear()
        for state, number in states.items():
            self._engines.labels(state).set(number)

    def upstreams(self, seen: Iterable[tuple[str, bool, float | None]]) -> None:
        """Sets how each upstream is: its name, whether it answers, and when it last did (seconds since the epoch)."""
        self._upstream_up.clear()
        self._upstream_seen.clear()
        for name, answers, last_seen in seen:
            self._upstream_up.labels(name).set(answers)
            if last_seen is not None:
                self._upstream_seen.labels(name).set(last_seen)

    def targets(self, states: Iterable[tuple[str, str, int]]) -> None:
        """Sets how each target of routes is: its name, its breaker's state, its failures in a row."""
        self._breaker.clear()
        self._failures.clear()
        for name, breaker, failures in states:
            for state in BREAKER_STATES:
                self._breaker.labels(name, state).set(state == breaker)
            self._failures.labels(name).set(failures)

    def render(self) -> bytes:
        """Everything counted so far, as Prometheus reads it."""
        return generate_latest(self.registry)
