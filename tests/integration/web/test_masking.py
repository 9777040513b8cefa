"""The page that shows what would be masked: it marks, counts, keeps nothing."""

from __future__ import annotations

from tests.installed import Installed
from tests.integration.web.conftest import People, text_of

TEXT = "Madame Anna Keller, a@usine.lan\r\n<b>IBAN CH93 0076 2011 6238 5295 7</b>, 06 12 34 56 78"


async def test_what_would_be_masked(installed: Installed, people: People) -> None:
    assert (await people.alice.get("/privacy/masking")).status == 200
    answer = await people.alice.post("/privacy/masking", text=TEXT, policy="alias")
    page = answer.body.decode()
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    assert page.count("<mark") == 4 and "IBAN · 1" in text_of(answer) and "\u27e6PERSON_" in page
    assert "<b>IBAN" not in page and "&lt;b&gt;" in page
    assert "pseudonymis" in page and "anonymis" not in page.replace("pseudonymis", "")
    record = installed.records("redact")[-1]
    assert record.facts["masked"] == {"EMAIL_ADDRESS": 1, "IBAN_CODE": 1, "PERSON": 1, "PHONE_NUMBER": 1}
    assert "Keller" not in str(record.facts)
    for path in installed.app.settings.data.rglob("*"):
        assert not path.is_file() or b"Keller" not in path.read_bytes()


async def test_the_directory_is_known_types_only_and_secrets_stop(installed: Installed, people: People) -> None:
    installed.app.directory.add(["Zyta Qorn"])
    answer = await people.alice.post("/privacy/masking", text="zyta qorn, mot de passe : Tulipe!2031", policy="mask")
    page = answer.body.decode()
    assert "[PERSON]" in page and "[SECRET]" in page and "ne partirait pas du tout" in text_of(answer)


async def test_nonsense_is_refused(people: People) -> None:
    assert (await people.alice.post("/privacy/masking", text="x", policy="allow")).status == 400
    assert (await people.alice.post("/privacy/masking", text="x" * 100_001)).status == 400
    assert "Rien n’a été trouvé" in text_of(await people.alice.post("/privacy/masking", text="Il pleut."))


async def test_an_administrator_keeps_the_directory_on_a_page(installed: Installed, people: People) -> None:
    path = "/administration/directory"
    for method in (people.alice.get(path), people.alice.post(path, lines="Zyta Qorn")):
        assert (await method).status == 403
    page = await people.charlie.post(path, lines="Zyta Qorn;zyta@usine.lan\r\n<b>Ob</b> Lim\r\n")
    assert page.status == 200 and "2 ajouts" in text_of(page) and "<b>Ob" not in page.body.decode()
    assert installed.app.directory.list() == ["<b>Ob</b> Lim", "Zyta Qorn;zyta@usine.lan"]
    wrong = await people.charlie.post(path, lines="Anna Keller\nQorn")
    assert wrong.status == 400 and "ligne 2" in text_of(wrong) and "Anna Keller" in wrong.body.decode()
    assert (await people.charlie.post(path + "/remove", entry="Zyta Qorn;zyta@usine.lan")).status == 303
    assert installed.app.directory.list() == ["<b>Ob</b> Lim"]
    assert "Qorn" not in str([record.facts for record in installed.records("directory.add", "directory.remove")])
