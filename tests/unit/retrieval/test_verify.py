"""Verification: what sources hold is confirmed, what they don't hold is marked, in four languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intramuros.retrieval.sentences import split
from intramuros.retrieval.verify import Verdict, Verifier
from tests.unit.retrieval.made import passage

LEASE = (
    "Le bail de M. Martin a été signé à Lyon le 12 mars 2024 pour une durée de 3 ans. Le loyer est de 1 234,50 € par "
    "mois, charges comprises. Le préavis est de trois mois. Référence : BX-1234/2024. Le locataire doit entretenir "
    "« les parties privatives du logement » et répondre avant 17h30."
)
NOTES = "La caution est rendue dans un délai de 60 jours. Aucun intérêt n'est dû. Contact : gestion@firme.ch."
GERMAN = "Der Mietvertrag mit Hans Müller beginnt am 1. April 2023. Die Kündigungsfrist beträgt 20 Tage."
ENGLISH = "The warranty of Acme Ltd lasts two years from 5 May 2023. Repairs cost CHF 1'200 at most."
ITALIAN = "Il contratto con la Banca Rossi dura venti mesi dal 3 giugno 2022. La penale è del 5 %."


def verdicts(answer: str, language: str = "fr", **sources: str) -> list[Verdict]:
    texts = sources or {"s1": LEASE, "s2": NOTES}
    passages = {int(name[1:]): passage(text, language=language) for name, text in texts.items()}
    return Verifier(passages, language).verify(answer)


def problems(answer: str, language: str = "fr", **sources: str) -> list[str]:
    (verdict,) = verdicts(answer, language, **sources)
    return [f"{problem.kind}:{problem.said}" for problem in verdict.problems]


@pytest.mark.parametrize(
    "answer",
    [
        "Le bail a été signé le 12.03.2024 [1].",
        "Le bail a été signé le 2024-03-12 à Lyon [1].",
        "Le loyer est de 1'234.50 EUR par mois [1].",
        "Le préavis est de 3 mois [1].",
        "La durée du bail est de trois ans, soit 36 mois [1].",
        "Le bail de M. Martin porte la référence BX 1234 2024 [1].",
        "Le bail BX-1234/2024 date de 2024 [1].",
        "Le locataire entretient « les parties privatives du logement » [1].",
        "Le locataire doit répondre avant 17:30 [1].",
        "La caution est rendue dans les 60 jours [2].",
        "Écrivez à gestion@firme.ch pour la caution [2].",
        "Le loyer est de 1 234,50 € et la caution est rendue dans 60 jours [1, 2].",
        "- **Préavis** : trois mois [1]",
    ],
)
def test_confirmed(answer: str) -> None:
    assert problems(answer) == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Le loyer est de 1 235,50 € par mois [1].", ["number:1 235,50 eur"]),
        ("Le préavis est de 3 ans et 2 jours [1].", ["number:2 day"]),
        ("Le loyer est de 1 234,50 CHF par mois [1].", ["number:1 234,50 chf"]),
        ("Le bail a été signé le 13 mars 2024 [1].", ["date:13 mars 2024"]),
        ("Le bail a été signé en mars 2023 [1].", ["date:mars 2023"]),
        ("Le bail a été signé un lundi à Lyon [1].", ["date:lundi"]),
        ("Le bail de M. Dupont a été signé à Lyon [1].", ["name:Dupont"]),
        ("Le bail a été signé à Genève le 12 mars 2024 [1].", ["name:Genève"]),
        ("Le bail est soumis à l'URSSAF de Lyon [1].", ["name:URSSAF"]),
        ("Le bail porte la référence BX-1235/2024 [1].", ["reference:bx12352024"]),
        ("Écrivez à contact@firme.ch pour la caution [2].", ["reference:contactfirmech"]),
        (
            "Le locataire entretient « les parties communes du logement » [1].",
            ["quotation:les parties communes du logement"],
        ),
        ("Le locataire doit répondre avant 18h00 [1].", ["time:18:00"]),
        ("Le préavis est de trois mois [2].", ["number:trois month"]),
        ("Le préavis est de trois mois [7].", ["unknown_source:[7]"]),
        ("Les chiens et les chats sont interdits dans la cuisine [1].", ["wording:"]),
        ("Les chiens et les chats sont interdits dans la cuisine.", ["no_source:"]),
        ("Le loyer est de 999 €.", ["no_source:"]),
    ],
)
def test_marked(answer: str, expected: list[str]) -> None:
    assert problems(answer) == expected


@pytest.mark.parametrize(
    ("language", "source", "right", "wrong"),
    [
        ("de", GERMAN, "Der Mietvertrag beginnt am 01.04.2023 [1].", "Der Mietvertrag beginnt am 2. April 2023 [1]."),
        ("de", GERMAN, "Die Frist beträgt zwanzig Tage [1].", "Die Frist beträgt zwanzig Wochen [1]."),
        ("de", GERMAN, "Hans Müller hat einen Vertrag [1].", "Peter Müller hat Vertrag mit Frau Kunz [1]."),
        ("en", ENGLISH, "The warranty of Acme lasts 24 months [1].", "The warranty of Bolt lasts 24 months [1]."),
        ("en", ENGLISH, "Repairs cost at most 1,200 CHF [1].", "Repairs cost at most 1,200 USD [1]."),
        (
            "it",
            ITALIAN,
            "Il contratto dura 20 mesi dal 03.06.2022 [1].",
            "Il contratto dura 20 anni dal 03.06.2022 [1].",
        ),
        (
            "it",
            ITALIAN,
            "La penale della Banca Rossi è del cinque per cento [1].",
            "La penale della Banca Verdi è del 5 % [1].",
        ),
    ],
)
def test_languages(language: str, source: str, right: str, wrong: str) -> None:
    assert problems(right, language, s1=source) == []
    assert problems(wrong, language, s1=source) != []


def test_a_sentence_without_a_citation_gets_the_passage_that_carries_it() -> None:
    first, second = verdicts("La caution est rendue dans un délai de 60 jours. Le loyer est de 1234,5 € par mois.")
    assert (first.sources, second.sources) == ((2,), (1,))
    assert first.supported
    assert second.supported


@pytest.mark.parametrize("answer", ["Quel est le préavis ?", "Voici les conditions :", "Oui.", "**Réponse**"])
def test_what_asserts_nothing_is_no_claim(answer: str) -> None:
    (verdict,) = verdicts(answer)
    assert not verdict.is_claim
    assert verdict.supported


def test_the_number_of_a_list_item_is_no_claim() -> None:
    assert problems("7. Le préavis est de trois mois [1]") == []


def test_title_and_headings_count_as_the_source() -> None:
    held = passage("Le délai est de 5 jours.", title="Contrat Alpina", headings=("Article 12 : délais",))
    (verdict,) = Verifier({1: held}, "fr").verify("Selon l'article 12 du contrat Alpina, le délai est de 5 jours [1].")
    assert verdict.supported


def test_another_language_than_the_source_is_judged_by_its_facts_only() -> None:
    verifier = Verifier({1: passage(GERMAN, language="de")}, "fr")
    right, wrong = verifier.verify("Le délai de résiliation est de 20 jours [1]. Le délai est de 30 jours [1].")
    assert right.supported
    assert not wrong.supported


def test_another_language_than_the_source_needs_a_citation() -> None:
    (verdict,) = Verifier({1: passage(GERMAN, language="de")}, "fr").verify("Le délai de résiliation est de 20 jours.")
    assert [problem.kind for problem in verdict.problems] == ["no_source"]


def test_sources_are_read_together_but_a_quotation_must_stand_in_one() -> None:
    assert problems("Il est écrit « trois mois […] La caution est rendue » [1, 2].") != []


sentences_of_sources = st.sampled_from([(1, s.text) for s in split(LEASE)] + [(2, s.text) for s in split(NOTES)])


@given(st.lists(sentences_of_sources, min_size=1, max_size=4))
def test_what_is_copied_is_confirmed(copied: list[tuple[int, str]]) -> None:
    answer = " ".join(f"{text} [{number}]" for number, text in copied)
    assert all(verdict.supported for verdict in verdicts(answer))


@given(
    st.integers(4, 10**6).filter(lambda n: n not in {12, 36, 60, 2024, 1234}),
    st.sampled_from(["jours", "€", "%", "ans"]),
)
def test_a_number_of_no_source_is_never_confirmed(number: int, unit: str) -> None:
    assert problems(f"Le préavis du bail est de {number} {unit} [1].") != []


@given(st.text(alphabet="ab é'\"«».,:;?!0123456789[]()-/€% \nMars", max_size=120))
def test_any_text_gets_verdicts_that_cover_it(answer: str) -> None:
    given_verdicts = verdicts(answer)
    assert [v.sentence for v in given_verdicts] == split(answer)
    assert all(set(v.sources) <= {1, 2} for v in given_verdicts)
