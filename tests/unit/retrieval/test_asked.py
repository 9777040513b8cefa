"""What a question asks for, and which sentences have it."""

from __future__ import annotations

import pytest

from intramuros.retrieval.asked import Kind, answers, asked


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Quel est le délai de préavis ?", Kind.DURATION),
        ("Combien de temps garde-t-on une facture ?", Kind.DURATION),
        ("Welche Kündigungsfrist gilt?", Kind.DURATION),
        ("Wie lange dauert es?", Kind.DURATION),
        ("Quanto dura il contratto?", Kind.DURATION),
        ("How long is the warranty?", Kind.DURATION),
        ("Combien coûte un passeport ?", Kind.AMOUNT),
        ("Quel est le montant de la franchise ?", Kind.AMOUNT),
        ("Quanto costa?", Kind.AMOUNT),
        ("Quel est le taux de TVA ?", Kind.SHARE),
        ("Quand le bail finit-il ?", Kind.DATE),
        ("Depuis quand la règle existe-t-elle ?", Kind.DATE),
        ("Wann beginnt der Vertrag?", Kind.DATE),
        ("Combien de personnes peuvent entrer ?", Kind.COUNT),
        ("Qu'est-ce que le prêt sur gage ?", Kind.DEFINITION),
        ("À quoi sert la carte verte ?", Kind.DEFINITION),
        ("What is a lease?", Kind.DEFINITION),
        ("Comment résilier un bail ?", Kind.PROCEDURE),
        ("Peut-on avoir deux passeports ?", Kind.YES_OR_NO),
        ("Un étranger qui s'installe doit-il s'inscrire ?", Kind.YES_OR_NO),
        ("Darf man rauchen?", Kind.YES_OR_NO),
        ("Can I smoke?", Kind.YES_OR_NO),
        ("Contester une amende", None),
        ("Que devient le crédit quand la vente est annulée ?", None),
        ("La durée du stage est-elle déduite ?", Kind.YES_OR_NO),
    ],
)
def test_asked(question: str, kind: Kind | None) -> None:
    assert asked(question) == kind


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("Le préavis est de trois mois.", Kind.DURATION, True),
        ("Le préavis est long.", Kind.DURATION, False),
        ("La carte coûte 25 €.", Kind.AMOUNT, True),
        ("La carte est gratuite.", Kind.AMOUNT, True),
        ("La carte vaut 25 ans.", Kind.AMOUNT, False),
        ("Le taux est de 5 %.", Kind.SHARE, True),
        ("Le bail finit le 3 mai 2024.", Kind.DATE, True),
        ("Le bail finit.", Kind.DATE, False),
        ("Il y a 12 places.", Kind.COUNT, True),
        ("Le prêt sur gage est un prêt garanti.", Kind.DEFINITION, True),
        ("Prêts garantis", Kind.DEFINITION, False),
        ("Vous devez écrire au maire.", Kind.PROCEDURE, True),
    ],
)
def test_answers(text: str, kind: Kind, expected: bool) -> None:
    assert bool(answers(text, kind)) is expected


def test_a_plain_yes_answers_better_than_a_permission() -> None:
    assert answers("Oui, sous conditions.", Kind.YES_OR_NO) > answers("Vous pouvez le faire.", Kind.YES_OR_NO) > 0
    assert answers("Ouistiti, animal.", Kind.YES_OR_NO) == 0
