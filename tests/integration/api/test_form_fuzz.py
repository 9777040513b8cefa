"""Whatever is sent as a form to the routes that take files: an answer or a refusal in the protocol's shape, never a
fault, and nothing is kept of what was refused."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from intramuros.accounts.sessions import csrf
from intramuros.errors import NoBackEnd
from intramuros.server.access import RULES
from intramuros.server.rule import Body, Rule, is_for_programs
from tests.asgi import Answer
from tests.installed import Installed

UPLOADS = [rule for rule in RULES if rule.body is not Body.REQUEST]
B = b"--x\r\n"
END = b"\r\n--x--\r\n"
FORM = "multipart/form-data; boundary=x"
ROUNDS = 40
DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
PURPOSE = B + b'Content-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'


def part(headers: bytes, content: bytes = b"hello") -> bytes:
    return B + headers + b"\r\n\r\n" + content + END


def named(disposition: str) -> bytes:
    return part(b"Content-Disposition: form-data; " + disposition.encode("utf-8", "surrogateescape"))


KINDS = (
    "multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""', "multipart/form-data; boundary",
    "multipart/form-data; boundary=" + "x" * 5000, "multipart/form-data; boundary=\u00e9", "multipart/form-data; boundary=x; boundary=y",
    "multipart/form-data; charset=no-such; boundary=x", "multipart/form-data; charset=utf-16; boundary=x",
    "multipart/form-data; charset=\x00; boundary=x", "multipart/form-data;;;;=;boundary=x", 'multipart/form-data; boundary="x', "multipart/mixed; boundary=x",
    "MULTIPART/FORM-DATA; BOUNDARY=x", "multipart/form-dataX; boundary=x", "multipart/form-data; boundary=x*0=y", "text/plain", "",
    "multipart/form-data; boundary*=utf-8''x", "application/x-www-form-urlencoded", "multipart/form-data; boundary=--x",
)  # fmt: skip
"""What a request may say of its body; each is sent with a good one."""
BODIES = (
    b"", b"--", b"\r\n", b"--x", b"--x--", b"--x--\r\n", B, B * 500, END, b"--y\r\n" + DISPOSITION, b"hello",
    B + DISPOSITION, B + DISPOSITION + b"hello", B + DISPOSITION + b"hello\r\n--x", B + DISPOSITION + b"hello\r\n--x-",
    B + b"Content-Disposition: form-data; name=", B + b"Content-Dispos", B + b": \r\n\r\n" + END, B + b"\r\n\r\n" + END, B + b"\x00: y\r\n\r\n" + END,
    part(b"X: " + b"y" * 2_000_000), part(b"X" * 100_000 + b": y"), part(b"\r\n".join(b"X-%d: y" % n for n in range(20_000))),
    part(b"Content-Disposition: form-data"), part(b"Content-Disposition: attachment; filename=a"), part(b"Content-Disposition: " + b";" * 50_000),
    part(b"Content-Disposition: form-data; name=file"), part(b"Content-Disposition: form-data; name*=utf-8''file; filename*=utf-8''%ff%fe"),
    part(b"Content-Disposition: form-data; name=file; filename*=no-such''x"), part(b"Content-Disposition: form-data; name=\xff\xfe; filename=\xff"),
    part(DISPOSITION[:-4] + b"\r\nContent-Type: text/plain; charset=no-such"), part(DISPOSITION[:-4] + b"\r\nContent-Type: \xff\xfe"),
    part(DISPOSITION[:-4] + b"\r\nContent-Transfer-Encoding: base64", b"!!!"), part(b"content-disposition: form-data; name=purpose", b"\xff\xfe\xfa"),
    part(DISPOSITION[:-4] + b"\r\nContent-Type: multipart/mixed; boundary=y", b"--y\r\nContent-Disposition: file; filename=in.txt\r\n\r\nin\r\n--y--"),
    PURPOSE * 3 + B + DISPOSITION + b"hello" + END, PURPOSE + (B + DISPOSITION + b"hello\r\n") * 150 + b"--x--\r\n",
    (B + b'Content-Disposition: form-data; name="a"\r\n\r\nb\r\n') * 1000 + b"--x--\r\n",
    PURPOSE + (B + DISPOSITION + b"hello\r\n") * 2 + b"--x--\r\n", B + DISPOSITION + b"hello" + END + b"more after the end" + B,
    b"preamble\r\n" + part(DISPOSITION[:-4]), part(DISPOSITION[:-4]).replace(b"\r\n", b"\n"), B + DISPOSITION + b"\r\n--x" * 5000 + END,
    b'{"file": "x"}', b"PK\x03\x04" + bytes(1000),
    *(PURPOSE + named(f'name="file"; filename="{name}"') for name in (
        "../../etc/passwd", "/etc/passwd", "..\\..\\x", "C:\\x.txt", "a\x00b", "a/b/c", ".", "..", "", "x" * 5000, "\u202e\u0000.txt", "CON", "a\rb\nc", "é" * 300, "\udcff",
    )),
    *(named(f'name="{name}"') for name in ("", "file[]", "file[a][b]", "__proto__", "a" * 5000, "purpose\x00", "\u202e", "expires_after[seconds]")),
)  # fmt: skip
"""Bodies of a form whose boundary is x."""


def mutated(drawn: random.Random) -> bytes:
    """A good form with a few bytes cut, doubled, moved or changed."""
    body = bytearray(PURPOSE + B + DISPOSITION + bytes(drawn.randbytes(40)) + END)
    for _ in range(drawn.randrange(1, 5)):
        at, length = drawn.randrange(len(body)), drawn.randrange(1, 12)
        taken = bytes(body[at : at + length])
        match drawn.randrange(4):
            case 0:
                del body[at : at + length]
            case 1:
                body[at:at] = taken * drawn.randrange(1, 4)
            case 2:
                body[at : at + length] = drawn.randbytes(length)
            case 3:
                body[at:at] = drawn.choice([b"\r\n", b"--x", b"--x--", b"\x00", b'"', b";", b"\r\n\r\n", b"\xff"])
    return bytes(body[: drawn.randrange(len(body))] if drawn.random() < 0.3 else body)


def cases(seed: str) -> Iterator[tuple[str, bytes | list[bytes]]]:
    """The kind a request says it is of, and its body: whole, or in pieces."""
    good = PURPOSE + B + DISPOSITION + b"hello" + END
    yield from ((kind, good) for kind in KINDS)
    yield from ((FORM, body) for body in BODIES)
    drawn = random.Random(seed)
    for _ in range(ROUNDS):
        body = mutated(drawn)
        size = drawn.choice([1, 3, 7, len(body) or 1])
        yield FORM, [body[at : at + size] for at in range(0, len(body), size)] or [b""]


def is_refused_well(rule: Rule, answer: Answer) -> bool:
    """Whether an answer is none of a fault, and a refusal in the shape of its protocol."""
    if answer.status < 400:
        return True
    if answer.status >= 500 and answer.status != NoBackEnd.status:
        return False
    said = answer.json()
    if rule.path.startswith("/v1/"):
        return set(said["error"]) == {"message", "type", "param", "code"} and bool(said["error"]["message"])
    if rule.path.startswith("/api/v1/"):
        return bool(said["error"]["code"]) and bool(said["error"]["message"])
    return bool(said["error"] if is_for_programs(rule.path) else said["code"] and said["message"])


@pytest.mark.parametrize("rule", UPLOADS, ids=lambda rule: f"{rule.method} {rule.path}")
async def test_never_a_fault(installed: Installed, rule: Rule) -> None:
    app, wrong = installed.app, []
    session = installed.sessions["charlie"]
    owner = app.sessions.caller(session)
    assert owner is not None
    project = app.projects.create("Fuzz", by=owner)
    path = rule.path.replace("{project}", project.id).replace("{digest}", f"sha256:{'0' * 64}")
    path = re.sub("{[a-z]+}", "none", path)
    client = installed.client("charlie") if is_for_programs(path) else installed.browser("charlie")
    told = {} if is_for_programs(path) else {"x-csrf-token": csrf(session), "accept": "application/json"}
    for kind, body in cases(rule.path):
        answer = await client.call(rule.method, path, body, headers={"content-type": kind, **told})
        if not is_refused_well(rule, answer):
            wrong.append(
                (kind[:60], b"".join(body if isinstance(body, list) else [body])[:80], answer.status, answer.body[:200])
            )
    assert wrong == []
    assert list(app.settings.data.rglob("*.part")) == []


def test_every_route_that_takes_a_form_is_tried() -> None:
    assert {"/v1/files", "/v1/audio/transcriptions", "/v1/images/edits", "/api/v1/projects/{project}/documents"} <= {
        rule.path for rule in UPLOADS
    }
