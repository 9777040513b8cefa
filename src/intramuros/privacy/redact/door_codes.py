"""Codes that open a door or a card and that somebody tells: "le code de la porte c'est 4582B", "PIN ist 4471".

Called by `passwords`. A value is four to eight digits, also with a letter or a sign of a keypad; the word says what it
opens, or "the code is" stands right before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from intramuros.privacy.redact.outline import says

_WORD = re.compile(
    r"cod(?:es?|ici|ice)(?!\w)|pin(?:s|-?code|-?nummer)?(?!\w|-[a-zäöü])|[ck]ombina(?:tion|zione)(?!\w)"
    r"|combo(?!\w)|(?:interphone|passcodes?|padlock|cadenas|lucchetto)(?!\w)"
)
_OPENS_BEFORE = re.compile(
    r"(?<!\w)(?:digi|(?:haus)?tür|haus(?:eingang)?s?|eingangs?|tor|alarm(?:anlagen)?|garagen?|safe|tresor|zugangs?"
    r"|zutritts|schlüssel(?:box|safe|kasten)|keller|schloss|aufzugs?|lift|fahrstuhl|parkhaus|schranken|spind"
    r"|schrank|veloraum|velokeller|büro|raum|entsperr|geräte|pin|tiefgaragen|karten"
    r"|door|gate|burglar alarm|key ?safe|keypad|entry|access|lock ?box|padlock|lock|building|unlock|screen|bike shed"
    r"|alarme|porte|portail|wi-?fi|sim|voicemail|banking|card|kreditkarten|ec)[ -]?$"
)
_OPENS_AFTER = re.compile(
    r"(?: (?:de|du|des|d'|pour|der|des|vom|von|zur|zum|für|del|della|dello|di|per|for|to|of|on))?(?: ?(?:l'"
    r"|la|le|les|die"
    r"|das|den|der|il|lo|dell'|the|my|our|ma|mon|notre|nos|d'))? ?"
    r"(?:porte|portail|entr[ée]e|immeuble|alarme?|coffre|garage|local|cadenas|bo[iî]te [àa] cl[ée]s?"
    r"|d[ée]verrouillage"
    r"|acc[èe]s|digicode|carte|parking|cave|grille|b[âa]timent|tür|haus|eingang|tor|safe|tresor|keller|schloss|karte"
    r"|alarmanlage|tiefgarage|schlüsselbox|cancell\w{1,5}|porta|allarme|porton\w{1,4}|ascensore|accesso"
    r"|sblocco|cassaforte|lucchetto|box"
    r"|ingresso|cassetta|carta|bancomat|telefono|(?:front |back |side |main |bike |bin )?(?:store|lift|locker"
    r"|office|barrier|car ?park|studio|entrance|garage|alarm|flat)|(?:front |back |side |main )?door|gate"
    r"|lock|padlock|key ?safe|shed|building|card|phone"
    r"|pin|segreto"
    r"|secret|wi-?fi|confidentiel|en bas|du bas|en haut|unten|oben|downstairs|upstairs|sotto)(?!\w)"
)
_OPENS_NEAR = re.compile(
    r"(?<!\w)(?:(?:haus)?tür|tor|tiefgarage|eingang|schlüssel(?:box|safe|kasten)|alarm\w{0,8}|porte|portail"
    r"|immeuble|alarme"
    r"|coffre|cave|local|cancell\w{1,5}|porton\w{1,4}|porta|allarme|rue|avenue|[ée]tage|sonnette"
    r"|bo[iî]te [àa] cl[ée]s?|cl[ée]s?|klingel\w{0,8}|schlüssel|chiav[ei]|citofono|scala|keys?|bell|door|gate"
    r"|shed|alarm|safe|lock ?box|garage|entrance)(?!\w)"
)
"""What a code further on in the line may open."""
_OTHER_BEFORE = re.compile(
    r"(?:error|exit|status|http|zip|post|promo|colou?r|source|product|item|country|sort|dress|discount|voucher|bar|qr"
    r"|fehler|farb|artikel|produkt|kunden|gutschein|rabatt|länder|quell|bank|fiscal|civil|pénal|tax|branch|iso|area"
    r"|booking|reference|tracking|ape|naf)[ -]?$"
)
_OTHER_AFTER = re.compile(
    r" (?:postal|postale|promo|couleur|client|cliente|article|articolo|produit|prodotto|erreur|errore|fiscal"
    r"|fiscale|civil"
    r"|civile|p[ée]nal|penale|du travail|ape|naf|insee|iban|bic|swift|source|guichet|banque|barre|ean|isbn|review"
    r"|civique|de commerce|monuments|tva|iva|univoco|destinatario|catastale|ateco|tributo)(?!\w)"
)
_TOLD = re.compile(
    r"(?P<gap>[^\n0-9{}<>;|]{0,64}?)(?<![\w.,/:+#-])"
    r"(?P<value>(?:[0-9]{4,8}[A-Za-z]?|[A-Z][0-9]{3,6}[A-Z]?|[0-9]{2,5}[A-Z][0-9]{0,4}|[0-9]{2} [0-9]{2})[#*]?)"
    r"(?!\w|[.,:/\-'][0-9]|[ ]?(?:%|€|chf|eur|francs|franken|uhr|h(?!\w)))"
)
_DIRECT = re.compile(
    r"s?(?: (?:unten|oben|vorne?|hinten|links|rechts|(?:en |du )(?:bas|haut)|sotto|sopra|downstairs"
    r"|upstairs|neu|new))?[ :=\"'«()\[-]{0,4}$"
)
_CONNECTED = re.compile(
    r"(?<!\w)(?:c'est|est|ist|lautet|è|e'|is|are|was|war|now|jetzt|neu|new|maintenant|désormais|dorénavant"
    r"|adesso|ora|to|auf"
    r"|it's|its|it is|das ist|toujours|still|immer noch|sempre|remains|reste|bleibt|resta|nouveau|nuovo|also"
    r"|dunque|donc)"
    r"[ :\"'«]{1,3}$|[:=→>?][ \"'«]{0,3}$"
)
_ARTICLE = re.compile(r"(?<!\w)(?:le|the|der|den|il|new|neue[rn]?|nouveau|nuovo|bon|son|mon|mein|unser|our|my)[ ]$")
_STATED = re.compile(
    r"[ ,:]{0,2}(?:(?:c'est|est|ist|lautet|è|e'|is)(?: (?:now|jetzt|maintenant|désormais|adesso|ora|toujours"
    r"|still|le|der"
    r"|il|the|:)){0,2}[ :]{1,3}|: )$"
)
_ANSWER = re.compile(
    r"(?:[^\n]{0,24}\?[^\n]{0,12}|[ .!]{0,3})\n(?:[^\n]{0,40}(?:: |> ?|\] ))?"
    r"(?:(?:c'est|it'?s|è|e'|das ist|ist|is|le|la) (?:le )?)?"
    r"(?P<value>(?:[0-9]{4,8}[A-Za-z]?|[A-Z][0-9]{3,6}[A-Z]?|[0-9]{2,5}[A-Z][0-9]{0,4})[#*]?)[ \t.!]*(?=\n|$)"
)
_DIAL = re.compile(r"(?: (?:is|est|ist|è|now))? ?:? ?(?P<value>[0-9]{1,2}(?:-[0-9]{1,2}){2})(?![\w-])")
_PINNED = re.compile(r" (?:the|it|to|this|that|all|your|our|them|every|a|an|in|on|and)(?!\w)")
_YEAR = re.compile(r"19[5-9][0-9]|20[0-3][0-9]")
_FAR = 40
_STEMS = ("code", "codic", "pin", "combin", "kombin", "combo", "interphone", "padlock", "cadenas", "lucchetto")
"""Literals one of which stands where `_WORD` matches."""


def told_codes(text: str, lowered: str) -> Iterator[tuple[int, int]]:
    """Where values stand that a word for a code tells."""
    if not says(lowered, _STEMS):
        return
    for word in _WORD.finditer(lowered):
        start, end = word.span()
        near = lowered[max(0, start - _FAR, lowered.rfind("\n", max(0, start - _FAR), start) + 1) : start]
        opens = _OPENS_BEFORE.search(near)
        if near[-1:].isalnum() and not opens:
            continue
        is_pin = word.group().startswith("pin") and text[start : start + 3] != "pin"
        after = _OPENS_AFTER.match(lowered, end)
        if not opens and (_OTHER_BEFORE.search(near) or _OTHER_AFTER.match(lowered, end)):
            continue
        is_sure = bool(
            opens
            or after
            or is_pin
            or word.group().startswith(("comb", "komb", "pin", "interphone", "passc", "padl", "cade", "lucc"))
        )
        is_law = opens is not None and opens.group().strip() in {"building", "access"}
        rest = after.end() if after else end
        is_verb = word.group() == "pin" and _PINNED.match(lowered, end) is not None
        if is_sure and (answer := _ANSWER.match(text, rest)):
            yield answer.span("value")
        elif is_sure and (dial := _DIAL.match(text, rest)):
            yield dial.span("value")
        elif told := _TOLD.match(text, rest):
            gap = told["gap"].lower()
            is_direct = _DIRECT.match(gap) is not None
            is_year = _YEAR.fullmatch(told["value"]) is not None
            if (
                (is_sure and not is_verb and not (is_law and is_year) and (is_direct or _CONNECTED.search(gap)))
                or (is_direct and _OPENS_NEAR.search(near.rpartition(". ")[2]))
                or (not is_year and _ARTICLE.search(near) and _STATED.match(gap))
            ):
                yield told.span("value")
