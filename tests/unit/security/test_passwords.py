from __future__ import annotations

import threading
import time

import pytest

from intramuros.errors import BadRequest, TooMany
from intramuros.security.passwords import HashCost, Passwords, check_strength
from tests.support import cheap


def test_a_password_is_verified() -> None:
    passwords = cheap.passwords()
    stored = passwords.hash("seven green bicycles")
    assert stored.startswith("$argon2id$")
    assert "bicycles" not in stored
    assert passwords.verify(stored, "seven green bicycles")
    assert not passwords.verify(stored, "seven green bicycle")


def test_accents_match_however_they_were_composed() -> None:
    passwords = cheap.passwords()
    assert passwords.verify(passwords.hash("sept v\u00e9los verts"), "sept ve\u0301los verts")


def test_nobody_has_no_password() -> None:
    passwords = cheap.passwords()
    assert not passwords.verify(None, "")
    assert not passwords.verify(None, "seven green bicycles")


def test_a_broken_hash_is_no_match() -> None:
    assert not cheap.passwords().verify("not a hash", "seven green bicycles")


def test_an_endless_password_is_not_hashed() -> None:
    passwords = cheap.passwords()
    assert not passwords.verify(passwords.hash("x" * 1025), "x" * 1025)


def test_nobody_takes_as_long_as_somebody() -> None:
    """The same work: a wrong password and an unknown account must not differ by an order of magnitude."""
    passwords = Passwords(HashCost(memory_kib=8192, passes=2, lanes=1))
    stored = passwords.hash("seven green bicycles")

    def quickest(stored: str | None) -> float:
        times = []
        for _ in range(5):
            started = time.thread_time()
            passwords.verify(stored, "wrong")
            times.append(time.thread_time() - started)
        return min(times)

    assert quickest(None) > quickest(stored) / 3


def test_at_most_so_many_hash_at_once() -> None:
    passwords = Passwords(cheap.COST, at_once=1)
    passwords._places.acquire()
    waiting = threading.Thread(target=passwords.hash, args=("seven green bicycles",), daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    passwords._places.release()
    waiting.join(5)
    assert not waiting.is_alive()


class _Counted(Passwords):
    """Counts how many hash together; each waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(cheap.COST, at_once=2, waiting=6)
        self.together = self.most = 0
        self.go = threading.Event()
        self.lock = threading.Lock()
        hasher = self._hasher

        class Slow:
            def verify(slow, stored: str, text: str) -> bool:
                with self.lock:
                    self.together += 1
                    self.most = max(self.most, self.together)
                self.go.wait(10)
                with self.lock:
                    self.together -= 1
                return hasher.verify(stored, text)

        self._hasher = Slow()  # type: ignore[assignment]


def test_a_rush_of_sign_ins_fills_neither_the_memory_nor_the_servers_threads() -> None:
    stored = cheap.passwords().hash("seven green bicycles")
    passwords = _Counted()
    done: list[bool | str] = []

    def verify() -> None:
        try:
            done.append(passwords.verify(stored, "seven green bicycles"))
        except TooMany as error:
            done.append(error.code)

    threads = [threading.Thread(target=verify, daemon=True) for _ in range(60)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(done) < 52 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert done == ["busy"] * 52, "two hash, six wait, the others are sent away at once"
    passwords.go.set()
    for thread in threads:
        thread.join(10)
    assert done[52:] == [True] * 8
    assert passwords.most == 2
    assert passwords.verify(stored, "seven green bicycles"), "afterwards there is room again"


def test_a_hash_of_another_cost_is_outdated() -> None:
    stored = cheap.passwords().hash("seven green bicycles")
    assert not cheap.passwords().is_outdated(stored)
    assert Passwords(HashCost(memory_kib=128, passes=1, lanes=1)).is_outdated(stored)


@pytest.mark.parametrize(
    "text",
    ["", "short", "elevenchars", "aaaaaaaaaaaaaa", "password2026!!!", "MotDePasse1234", "123456789012", "azertyazerty",
     "bonjourbonjour", "x" * 1025],
)  # fmt: skip
def test_weak_passwords(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check_strength(text)
    assert caught.value.code == "weak_password"
    assert text == "short" or not text or text not in caught.value.message


@pytest.mark.parametrize("text", ["alice.martin1", "MartinMartin2", "firm2026alice"])
def test_a_password_of_ones_own_name_is_weak(text: str) -> None:
    with pytest.raises(BadRequest):
        check_strength(text, about=("alice.martin@firm.example", "Alice Martin"))


@pytest.mark.parametrize(
    "text", ["seven green bicycles", "Xk2-9vLq_mmT4z", "sept vélos verts", "alice in wonderland reads"]
)
def test_strong_passwords(text: str) -> None:
    check_strength(text, about=("alice@firm.example", "Alice"))
