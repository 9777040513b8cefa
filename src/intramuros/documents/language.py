"""Which of the four languages a text is in, by its commonest words: no model, no library.

Called once a document at ingestion and once a question; decides which stemmer analyses the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

LANGUAGES = ("fr", "de", "it", "en")
SAMPLE_CHARACTERS = 20_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS: dict[str, frozenset[str]] = {
    "fr": _words(
        """a ai aie aient ait au aucun aucune aura aurait auront aux avait avant avec avez avoir avons ayant c ce ceci
        cela celle celles celui ces cet cette ceux chaque chez ci comme comment d dans de depuis des doit doivent
        donc dont du elle elles en encore entre es est et était étaient été être eu eux faire fait faut il ils j je
        jusqu l la là laquelle le lequel les lesquelles lesquels leur leurs lors lorsqu lorsque lui m ma mais me
        même mes moi mon n ne ni nos notre nous on ont ou où par parce pas peut peuvent peux plus pour pourquoi puis
        puisqu puisque qu quand que quel quelle quelles quels qui quoi s sa sans se sera serait seront ses si soit
        son sont sous suis sur t ta tandis te tel telle tes toi ton tous tout toute toutes très tu un une vers voici
        vos votre vous y"""
    ),
    "de": _words(
        """aber alle allem allen aller alles als also am an auch auf aus bei beim bin bis bist da damit dann darf das
        dass dein deine dem den denn der des die dies diese diesem diesen dieser dieses doch dort du durch ein eine
        einem einen einer eines er es euch euer für gegen habe haben hat hatte hier ich ihm ihn ihnen ihr ihre ihrem
        ihren ihrer im in ins ist ja jede jedem jeden jeder jedes kann kein keine können man mein meine mich mir mit
        muss müssen nach nicht noch nun nur ob oder ohne sehr sein seine seinem seinen seiner sich sie sind so soll
        sollen sollte über um und uns unser unter vom von vor wann war waren warum was welche welchem welchen
        welcher welches wenn wer werden wie wieviel wir wird wo wurde wurden zu zum zur zwischen"""
    ),
    "it": _words(
        """a ad agli ai al alla alle allo anche avere c che chi ci come con contro cosa cui d da dagli dai dal dalla
        dalle dallo degli dei del dell della delle dello deve devono di dove e ed era essere fra gli ha hanno ho i
        il in io l la le lei li lo loro lui ma mi mia mio ne negli nei nel nella nelle nello no noi non nostra
        nostro o ogni per perché più può possono qual quale quali quando quanto quella quelle quelli quello questa
        queste questi questo se sei senza si sia sono sta su sua sue sugli sui sul sulla sulle sullo suo suoi ti tra
        tu tua tuo tutti tutto un una uno vi voi"""
    ),
    "en": _words(
        """a about after all also am an and any are as at be because been before being between but by can could did do
        does doing don for from had has have having he her here hers him his how i if in into is it its itself just
        may me more most must my no nor not of off on once only or other our out over own s same shall she should so
        some such t than that the their them then there these they this those through to too under until up upon us
        very was we were what when where which while who whom why will with would you your"""
    ),
}
_WORD = re.compile(r"[^\W\d_]+")
_LETTERS = {"fr": "éèêàçùœ", "de": "äöüß", "it": "òìù", "en": ""}


def detect(text: str, *, among: Collection[str] = LANGUAGES, default: str = "fr") -> str:
    """The language of a text; `default` when nothing tells.

    A word counts for each language it is common in; letters only one language uses break ties.
    """
    sample = text[:SAMPLE_CHARACTERS].lower()
    words = Counter(_WORD.findall(sample))
    scores = {
        language: sum(count for word, count in words.items() if word in STOP_WORDS[language])
        + 0.2 * sum(sample.count(letter) for letter in _LETTERS[language])
        for language in LANGUAGES
        if language in among
    }
    best = max(scores, key=lambda language: (scores[language], language == default), default=default)
    return best if scores.get(best) else default
