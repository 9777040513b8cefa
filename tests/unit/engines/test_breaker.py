"""The breaker and the retry budget, under any order of events."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from intramuros.engines.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, RetryBudget


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class BreakerMachine(RuleBasedStateMachine):
    """A breaker beside what it promises: nobody while it rests, one at a time in half open, all when it is well."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(clock=self.clock, most_failures=3, first_rest_s=5, longest_rest_s=40)
        self.inside = 0
        self.in_a_row = 0
        self.rested_since: float | None = None
        self.wanted_rest = 0.0
        self.trial = False

    @rule(seconds=st.floats(0, 60))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def somebody_asks(self) -> None:
        rests = self.rested_since is not None and self.clock.now < self.rested_since + self.wanted_rest
        admitted = self.breaker.admits()
        if self.rested_since is None:
            assert admitted
        else:
            assert admitted is (not rests and not self.trial)
            self.trial = self.trial or admitted
        self.inside += admitted

    @precondition(lambda self: self.inside)
    @rule()
    def it_works(self) -> None:
        self.inside -= 1
        self.breaker.succeeded()
        self.in_a_row, self.rested_since, self.wanted_rest, self.trial = 0, None, 0.0, False
        assert self.breaker.state == CLOSED and self.breaker.retry_in_s == 0

    @precondition(lambda self: self.inside)
    @rule()
    def it_fails(self) -> None:
        self.inside -= 1
        rests = self.breaker.state == OPEN
        self.breaker.failed()
        if rests:
            return
        self.in_a_row += 1
        if self.rested_since is not None or self.in_a_row >= 3:
            self.wanted_rest = min(2 * self.wanted_rest or 5, 40)
            self.rested_since, self.trial = self.clock.now, False
            assert self.breaker.state == OPEN

    @precondition(lambda self: self.inside)
    @rule()
    def it_is_left(self) -> None:
        self.inside -= 1
        self.breaker.left()
        self.trial = False

    @invariant()
    def it_says_what_it_is(self) -> None:
        if self.rested_since is None:
            assert self.breaker.state == CLOSED
        else:
            is_over = self.clock.now >= self.rested_since + self.wanted_rest
            assert self.breaker.state == (HALF_OPEN if is_over else OPEN)
            assert 5 <= self.breaker.rest_s <= 40


BreakerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestBreaker = BreakerMachine.TestCase


class BudgetMachine(RuleBasedStateMachine):
    """Second attempts are never more than their share of the requests, and a few for every minute that passed."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.budget = RetryBudget(clock=self.clock, share=0.2, a_minute=10, left=10)
        self.began, self.requests, self.retries = self.clock.now, 0, 0

    @rule(seconds=st.floats(0, 120))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(number=st.integers(1, 50))
    def requests_come(self, number: int) -> None:
        for _ in range(number):
            self.budget.deposit()
        self.requests += number

    @rule(number=st.integers(1, 50))
    def all_fail(self, number: int) -> None:
        self.retries += sum(self.budget.withdraw() for _ in range(number))

    @invariant()
    def no_storm(self) -> None:
        minutes = (self.clock.now - self.began) / 60
        assert self.retries <= 10 + 0.2 * self.requests + 10 * minutes + 1e-6
        assert 0 <= self.budget.left <= 100


BudgetMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestBudget = BudgetMachine.TestCase


def test_an_idle_installation_has_some_attempts_again() -> None:
    clock = Clock()
    budget = RetryBudget(clock=clock)
    assert sum(budget.withdraw() for _ in range(30)) == 10
    clock.now += 60
    assert sum(budget.withdraw() for _ in range(30)) == 10
