"""Names of files: hidden whole where they say who someone is, always where a source of an answer has them."""

from __future__ import annotations

import time

import pytest

from intramuros.privacy.redact.aliases import Aliases
from intramuros.privacy.redact.policy import Action, Policy
from intramuros.privacy.redact.redactor import Redactor
from intramuros.privacy.redact.restore import restore
from intramuros.retrieval.passage import Passage
from intramuros.retrieval.prompt import Given, source


def hidden(*texts: str, redactor: Redactor | None = None) -> list[str]:
    return [one.text for one in (redactor or Redactor()).hide_all(texts, Aliases())]


@pytest.mark.parametrize(
    "name",
    [
        "Lettre_Jean_Dupont.pdf",
        "lettre_jean_dupont.pdf",
        "Arbeitsvertrag-Anna-Keller.docx",
        "DUPONT_Jean.pdf",
        "contrat_de_travail_MARTIN_Sophie_2024.pdf",
        "fiche-paie-Dupont-Jean.PDF",
        "JeanDupont.docx",
        "2024jean_dupont.pdf",
        "jean.dupont.pdf",
        "dupont_jean.pdf.zip",
        "CH9300762011623852957_releve.pdf",
        "AVS_756.9217.0769.85_attestation.pdf",
        "Lettre_Jean_Dupont",
    ],
)
def test_a_cold_file_name_is_hidden_whole_and_comes_back(name: str) -> None:
    aliases = Aliases()
    text = f"Le montant est dans {name}, page 3."
    sent = Redactor().hide_all([text], aliases)[0].text
    assert sent.startswith("Le montant est dans ⟦DOCUMENT_") and sent.endswith("⟧, page 3.")
    assert restore(sent, aliases.values) == text


def test_a_file_name_with_spaces() -> None:
    (sent,) = hidden("Source 2: CV Jean Dupont.pdf, page 1")
    assert sent.startswith("Source 2: CV ⟦DOCUMENT_") and sent.endswith("⟧, page 1") and "Dupont" not in sent


@pytest.mark.parametrize("name", ["Lettre_Dupont.pdf", "dupont.pdf", "avis-dupont-2.docx", "CV Dupont.odt"])
def test_who_was_met_before_is_hidden_in_a_file_name(name: str) -> None:
    assert "dupont" not in " ".join(hidden("M. Jean Dupont doit payer.", f"selon {name}")).lower()


def test_a_directory_s_names_are_hidden_in_file_names() -> None:
    (sent,) = hidden("voir avis_zsombor_qx.pdf", redactor=Redactor().with_names(["Zsombor Qx"]))
    assert sent.startswith("voir ⟦DOCUMENT_")


@pytest.mark.parametrize(
    "text",
    [
        "Voir rapport_annuel_2024.pdf et bail.md",
        "open main_window.py, then get_user_name() and README.md",
        "Bericht_2024-03.pdf, Budget-Vorlage.xlsx",
        "ouvrez scan.pdf. pdf .pdf _.pdf",
        "https://example.org/a/index.html",
    ],
)
def test_a_file_name_that_says_nothing_of_anybody_stays(text: str) -> None:
    assert hidden(text) == [text]


def test_the_sentence_before_a_file_name_is_read_as_it_is() -> None:
    (sent,) = hidden("Merci M. Jean Dupont, ouvrez plan.pdf")
    assert sent.startswith("Merci M. ⟦PERSON_") and sent.endswith(", ouvrez plan.pdf")


@pytest.mark.parametrize("document", ["zsombor-qx.md", "Notes", "a, p. 3.txt", "ﬁche Ôtée.pdf"])
@pytest.mark.parametrize("headings", [(), ("Article 1",)])
def test_what_a_source_is_called_never_leaves(document: str, headings: tuple[str, ...]) -> None:
    passage = Passage(
        chunk_id=1, document_id="d", document=document, title="", language="fr", page=3, ordinal=0,
        headings=headings, text="Le loyer est de 900 francs.", start=0, lines=(), score=1.0,
    )  # fmt: skip
    aliases = Aliases()
    whole = source(Given(1, passage))
    sent, cited = (one.text for one in Redactor().hide_all([whole, f"Selon {document} [1]."], aliases))
    assert sent.startswith("<source number=1>\n⟦DOCUMENT_") and document not in sent
    assert all(heading in sent for heading in headings) and ", p. 3\nLe loyer est de 900 francs." in sent
    assert restore(sent, aliases.values) == whole
    assert document not in cited or len(document) < 4


def test_a_policy_may_allow_them() -> None:
    allowing = Redactor(policy=Policy({"DOCUMENT": Action.ALLOW}))
    assert hidden("Voir Lettre_Jean_Dupont.pdf", redactor=allowing) == ["Voir Lettre_Jean_Dupont.pdf"]
    people = Redactor(policy=Policy({"PERSON": Action.ALLOW}))
    assert hidden("Voir Lettre_Jean_Dupont.pdf", redactor=people) == ["Voir Lettre_Jean_Dupont.pdf"]


@pytest.mark.parametrize(
    "text",
    ["a_" * 50_000, "A_" * 50_000, ".pdf" * 25_000, "a.pdf " * 15_000, "<source number=1>\n" + " › " * 30_000],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    Redactor().analyse(text)
    assert time.process_time() - began < 5
