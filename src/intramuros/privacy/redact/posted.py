"""Postal addresses known by their last line, a post code and a town: what stands before it, whatever it is called.

Called by `addresses`. Read backwards from the post code, one piece between commas, strokes or ends of lines at a time:
rooms and floors, boxes, a street with its number, the name of a place. Each piece is matched alone, so that the time is
linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_CAP = r"[A-ZÀ-ÖØ-Þ](?:[\w'\-]|\.(?=[^\s,])){0,30}(?:(?<=\b\w)\.|(?<=\b\w\w)\.|(?<=\b\w\w\w)\.|(?<=[sS]tr)\.)?"
_LITTLE = (
    r"(?:de|la|l[aeo]s?|du|des|aux?|à|en|sur|sous|et|am|an|der|den|auf|dem|im|in|bei|beim|zum|zur|unter|vor|vom|von|van"
    r"|di|del|della|delle|dei|degli|dal|dalla|da|al|alla|alle|ai|agli|sul|il|e|ob|op|um)"
)
_WORD = (
    rf"(?:(?:(?:d|l|dell|sull|all|nell|D|L)')?{_CAP}|{_LITTLE}(?![\w'])|(?:d|l|dell)'[\w\-]{{2,20}}"
    r"|[0-9]{1,2}\.?(?= [A-Z]))"
)
_NO_MONTH = (
    r"(?!(?:janv|f[ée]vr?|mars|avri?l|mai|juin|juil|ao[uû]t|sept|oct|nov|d[ée]c|jan|feb|mär|maer|apr|jun|jul"
    r"|aug|okt|dez"
    r"|genn|marzo|magg|giug|lugl|agos|sett|otto|dice|march|april|may|june|july|pers|pi[èe]c|ans?\b|jours|heures|uhr|h\b"
    r"|x\b|kg|km|chf|eur|fr\.|stück|×|%|€))"
)
STREET_WORDS = (
    r"(?:(?:vieux |grande? |petite? |ancienne? )?(?:rue|av(?:enue|\.)|bo?u?l?e?v?a?r?d|bd\.?|bvd|chemin|ch\.|all[ée]es?"
    r"|place|pl\.|impasse|imp\.|quai|cours|square|sq\.|passage|route|rte|sentier|sente|mont[ée]e|ruelle|faubourg|fbg?"
    r"|esplanade|venelle|clos|rond-point|chauss[ée]e|r[ée]sidence|mail|villa|cit[ée]|traverse|rampe|c[ôo]te|carrefour"
    r"|promenade|lotissement|hameau|voie|lev[ée]e|dr[èe]ve|cour|parvis|port|pont|domaine|via|viale|v\.le|piazza"
    r"|p\.zza|piazzale|piazzetta|corso|c\.so|vicolo|vico|largo|strada|contrada|loc(?:alità|\.)|fraz(?:ione|\.)"
    r"|borgo|salita|lungo\w{3,8}|calle|um|op der|am|an der|bei der|auf der)(?!\w))"
)
_NUMBER = (
    r"[0-9]{1,4}(?: ?(?:bis|ter|quater|[a-hA-H])(?!\w))?(?: ?[/\-] ?[0-9]{1,4}(?!\w)| ?/ ?[A-Za-z0-9]{1,4}(?!\w)){0,3}"
)
_NO_YEAR = r"(?!0|19[5-9][0-9](?!\w)|20[0-3][0-9](?!\w))"
_NAME_AFTER = rf"(?:{STREET_WORDS}|{_CAP})(?: [\w'.()\-]{{1,30}}){{0,8}}"
NUMBER_FIRST = rf"{_NO_YEAR}{_NUMBER},? {_NO_MONTH}{_NAME_AFTER}"
_NAME_BEFORE = (
    r"(?!(?:Abit[ao]|Elle|Il|Er|Sie|Ich|He|She|Je|J'habite|Wohn\w+|Adresse|Anschrift|Indirizzo|Address|Herrn?|Wohnung|Liegenschaft"
    r"|Frau|Madame"
    r"|Monsieur|Mme|M\.|Sig\.?|Mr|Mrs) )"
    rf"(?:{_CAP}|{STREET_WORDS})(?: (?:{_WORD}|(?:rue|[a-zà-ÿ]{{3,14}}(?<=\w)(?= ))(?= (?:[A-ZÀ-Þ]|de|des|du|n))"
    rf"|(?<=des )[a-zà-ÿ]{{3,14}}|(?<=dei )[a-zà-ÿ]{{3,14}}|rue|[0-9]{{1,4}}(?= n))){{0,9}}"
)
NUMBER_LAST = rf"{_NAME_BEFORE},? (?:n[.°]{{0,2}} ?|nr\.? ?|civico )?{_NO_YEAR}{_NUMBER}"
_PLACE_WORDS = (
    r"(?:[Ll]ieu-?[Dd]it|[Hh]ameau|[Ff]erme|Mas|[Dd]omaine|[Cc]h[âa]teau|[Cc]halet|[Vv]illa|[Mm]oulin"
    r"|[Rr]ésidence|Rés\."
    r"|[Qq]uartier|[Ll]otissement|Hof|Gut|Gutshof|Weiler|Schloss|Mühle|Forsthaus|Alp|Gehöft|Haus|Gasthof|Hotel|Hôtel"
    r"|[Ll]ocalità|[Ll]oc\.|[Ff]razione|[Ff]raz\.|[Cc]ascina|[Pp]odere|[Cc]ontrada|C\.da|[Mm]asseria|Casa|Borgata"
    r"|Tenuta|Rustico|[Mm]onti|[Zz]on[ae] [a-zé'-]{4,14}|Z\.? ?[AIC]\.?[CE]?\.?(?![a-z])|[Pp]arc [a-zé'-]{4,14}"
    r"|[Cc]entre [a-z]{4,12}|Immeuble|Espace|Gewerbe\w{4,10}|Industrie\w{4,10}|Areal|Techno\w{4,6}|Le|La|Les|LE|LA|LES"
    r"|Aux?|Au|En)"
)
_PLACE = re.compile(
    rf"(?:(?<=[a-zà-ÿ] )(?=[A-Z])|^)(?:{_PLACE_WORDS}(?: (?:{_WORD}|[0-9]{{1,4}}[a-z]?|s\.?n\.?c?\.?)){{0,5}}"
    rf"|L'{_CAP}(?: {_CAP}){{0,2}})$"
)
_BOX = (
    r"(?:BP|B\.P\.|CS|C\.S\.|CP|C\.P\.|PF|TSA|[Cc]ase [Pp]ostale|CASE POSTALE|[Bb]o[iî]te [Pp]ostale|Postfach|POSTFACH"
    r"|[Cc]asella [Pp]ostale)(?: [0-9][0-9 ]{0,7})?"
)
_INNER = (
    r"(?:(?i:b[âa]timents?|b[âa]t\.?|immeuble|imm\.?|escalier|esc\.?|entr[ée]e|porte|[ée]tage|appartement|appt\.?"
    r"|apt\.?|app\.?|logement|lot|bte\.?|bo[iî]te|bus|cage|hall|tour|bloc|r[ée]sidence|r[ée]s\.?"
    r"|whg\.?|wohnung|stiege|tür|top|haus|aufgang|eingang|hinterhaus|vorderhaus|seitenflügel|etage|stock"
    r"|geb(?:äude|\.)|block|zimmer|scala|sc\.?|int\.?|interno|piano|palazzina|pal\.?|palazzo|edificio|ed\.|lotto|corpo"
    r"|flat|unit|floor|suite|room|level)(?: [\w°'./\-]{1,20}){0,5}"
    r"|[0-9]{1,2}(?:er|[eè]me|[eèª°º.]|st|nd|rd|th)? ?"
    r"(?i:[ée]tage|og|ug|stock(?:werk)?|etage|piano|floor|obergeschoss)(?: [\w.]{1,12}){0,3}"
    r"|(?:EG|HH|VH|DG|RDC|[Rr]ez(?:-de-chauss[ée]e)?|[Pp]iano terra|[Ee]rdgeschoss|[Gg]round [Ff]loor)(?: [a-z]{3,8})?)"
)
_ROOMS = re.compile(rf"{_INNER}$")
_BOXES = re.compile(rf"(?:{_BOX})$")
_STREET = re.compile(
    rf"(?<![\w.'])(?:{NUMBER_FIRST}|{NUMBER_LAST})"
    rf"(?: (?:HH|VH|EG|OG|DG|{_BOX}|(?:bus|bte|boîte|App?t?\.?|Whg\.?|int\.) ?[\w°]{{1,5}}))?$"
)
_LOOSE = re.compile(rf"{_NO_YEAR}{_NUMBER},? {_NO_MONTH}(?=[^A-Z]*[A-Z])[a-zà-ÿ]{{2,14}}(?: [\w'.\-]+){{1,6}}$")
_LABEL = re.compile(r"(?i:adresse|anschrift|indirizzo|address|domicile|domicilio|wohnhaft)[ \t]*:[ \t]*$")
_NUMBER_ONLY = re.compile(rf"(?:.{{0,60}} )?{_NO_YEAR}{_NUMBER}$")
_HOUSE = re.compile(r"(?:n[.°]{0,2} ?|nr\.? ?|civico )?[0-9]")
_QUARTER = re.compile(rf"(?:{_CAP}|[Ll]ieu-dit)(?: {_WORD}){{0,4}}$")
_SEPARATOR = re.compile(
    r",(?: ?\n[ \t>]*| ?)|;(?: ?\n[ \t>]*| ?)|\n[ \t>]*|\| ?|· ?|• ?|\t ?| (?:\n[ \t>]*|[|·•\t] ?|- |/ )|: "
)
"""Each choice begins with one sign: the engine skips to it."""
_TO = re.compile(r" (?:à|in|a|at)$")
_FAR, _PIECES = 130, 7


def begins(text: str, end: int) -> int | None:
    """Where the address begins whose post code stands at `end`; None where what stands before is none."""
    start = max(0, end - _FAR)
    pieces = _pieces(text, start, end)
    at = len(pieces) - (1 if pieces[-1][1] else 2)
    last = max(0, len(pieces) - _PIECES)
    is_quarter = is_box = False
    while at >= last:
        piece = pieces[at][1]
        if _BOXES.match(piece) and not is_box:
            is_box = True
        elif line := _line(pieces, at, is_first=at == 0 and start > 0):
            return _further(text, pieces, *line)
        elif not (_ROOMS.match(piece) or piece.startswith(("c/o ", "chez "))):
            if is_quarter or is_box or not _QUARTER.match(piece):
                break
            is_quarter = True
        at -= 1
    return _box(pieces) if is_box else None


def _line(pieces: list[tuple[int, str]], at: int, *, is_first: bool) -> tuple[int, int] | None:
    """Where a street or a place begins that ends with this piece, and with which piece."""
    if street := _street(pieces, at):
        return street
    left, piece = pieces[at]
    if _LOOSE.match(piece):
        return left, at
    place = None if is_first else _PLACE.search(piece)
    return (left + place.start(), at) if place else None


def _further(text: str, pieces: list[tuple[int, str]], start: int, at: int) -> int:
    """Rooms and floors before the street, and what stands right after `Adresse :`."""
    if start > pieces[at][0]:
        return start
    for left, piece in reversed(pieces[:at]):
        if _QUARTER.match(piece) and _LABEL.search(text, max(0, left - 24), left):
            return left
        if not _ROOMS.match(piece):
            break
        start = left
    return start


def _box(pieces: list[tuple[int, str]]) -> int:
    """Where the last box begins."""
    return next(left for left, piece in reversed(pieces) if _BOXES.match(piece))


def rooms_before(text: str, start: int) -> int:
    """Where an address begins whose street begins at `start`: rooms, floors and buildings may stand before."""
    pieces = _pieces(text, max(0, start - 64), start)
    if not pieces or pieces[-1][1]:
        return start  # no separator right before the street
    for left, piece in reversed(pieces[:-1]):
        if not _ROOMS.match(piece):
            break
        start = left
    return start


def _street(pieces: list[tuple[int, str]], at: int) -> tuple[int, int] | None:
    """Where a street begins that ends with this piece, and with which piece; its number may be the one before."""
    left, piece = pieces[at]
    if match := _STREET.search(piece):
        return left + match.start(), at
    if at == 0:
        return None
    before, other = pieces[at - 1]
    joined = f"{other}, {piece}"
    if (
        (piece[:1].isdigit() or _NUMBER_ONLY.match(other))
        and (match := _STREET.search(joined))
        and match.start() < len(other)
    ):
        return before + match.start(), at - 1
    return None


def _pieces(text: str, start: int, end: int) -> list[tuple[int, str]]:
    """What stands between separators, with its place. The last piece is empty where one stands before `end`."""
    pieces: list[tuple[int, str]] = []
    place = start
    for match in _SEPARATOR.finditer(text, start, end):
        pieces.append((place, text[place : match.start()]))
        place = match.end()
    last = _TO.sub("", text[place:end].rstrip(" "))
    return [*pieces, (place, last)]


_NO_STREETS = (
    r"(?!(?:Raum|Zimmer|Saal|Salle|Sitzungs[a-z]+|Room|Sala|Aula|Halle|Bureau|Büro|Etage|Teams|Zoom|Gleis|Seite|Page"
    r"|Block|Bloc|Gate|Stand|Platz [0-9]|Lot|Version|Kapitel|Chapitre|Art|Nr|No|Tel|Tél|Fax|Stock|Floor|Level|Niveau"
    r"|Poste|Hall|Box|Port|Pos)(?![a-zà-ÿ]))"
)
LIVING = (
    r"a(?:bit(?:a(?:n(?:o|te)|va)?|o)|d(?:dress|resse)|nschrift)|baustelle|c(?:antiere|hantier|onsegna)"
    r"|d(?:e(?:liver(?: to|ed to|y to)|meurant)|omicil(?:e|i(?:at(?:a|i|o)|o|é(?:e(?:s)?|s)?)))"
    r"|habit(?:a(?:it|nt)|e(?:nt|z)?|ons)|i(?:mmobile|ndirizzo)|l(?:i(?:e(?:fer(?:adresse|ung)|genschaft"
    r"|u)|v(?:e(?: at|d at|s at)|ing at|r(?:aison|er)))|uogo)|o(?:bjekt|rt)|r(?:esid(?:e(?:n(?:t(?:e"
    r"|i)|za)|s at)|ing at)|isied(?:e|ono)|ue|ésid(?:ant|e(?:nce)?))|s(?:ede|hip to|i(?:t(?:e|z)"
    r"|ège)|tr(?:a(?:sse|ße)|eet))|v(?:enue|ia)|wohn(?:e|haft|ort|t(?:e)?)"
)
"""Words before an address, in small letters; some only where a colon follows."""
_LIVING = re.compile(rf"[^a-zà-öø-ÿ0-9_-](?P<word>{LIVING})")
_VERBS = re.compile(
    r"(?:"
    r"wohn(?:haft|t(?:e)?|e)|d(?:omicili(?:é(?:e(?:s)?|s)?|at(?:o|a|i))|e(?:meurant|liver(?: to"
    r"|ed to|y to)))|habit(?:e(?:nt|z)?|a(?:it|nt)|ons)|r(?:ésid(?:e|ant)|esid(?:e(?:nt(?:e|i)|s at)"
    r"|ing at)|isied(?:e|ono))|abit(?:a(?:n(?:o|te)|va)?|o)|liv(?:e(?: at|s at|d at)|ing at|rer)"
    r"|ship to"
    r")(?!\w)"
)
_AFTER_LABEL = re.compile(
    r"(?: [a-zà-ÿ]{1,14}){0,2} ?[:|\t][ \t|]{0,12}(?:(?:in|at|au|à|an|of|en|al|alla|sita in|sise?|le|la) )?"
)
_HOME = re.compile(
    rf"{_NO_STREETS}(?:{_NO_YEAR}{_NUMBER},? {_NO_MONTH}"
    rf"(?:{STREET_WORDS}|{_CAP})(?: [\w'.()\-]{{1,30}}){{0,8}}?"
    r"(?=[,.;\n)]|$| (?:depuis|seit|da(?:l|lla)?|since|in|à|et|und|and|e|avec|mit|con|with) )"
    rf"|{NUMBER_LAST}(?![\w.,:/%]?[0-9])(?!\w)(?! (?:%|€|CHF|EUR|[Uu]hr))(?! {STREET_WORDS} )"
    r"|(?:The )?[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,3}, (?:The |[A-Z][\w'-]+ ){1,3}?"
    r"(?:Lane|Road|Street|Green|Close|Drive|Avenue|Way|Hill|Row|Square|Terrace)(?!\w))"
)
_FIRST = re.compile(
    r"[a-zà-ÿ' ,]{0,30}?(?: |(?<=[ \t|]))(?=[A-Z0-9À-Þ]|via |viale |rue |av|ch|rte|route |place |quai |bd )"
)


def homes(text: str, after_line: str, begin: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Streets with a number after a word that says that somebody lives or gets something there.

    `begin` is where such words may begin in the text in small letters with the end of a line before it.
    """
    for start in begin:
        word = _LIVING.match(after_line, start)
        if word is None or (start and (text[start - 1].isalnum() or text[start - 1] in "_-")):
            continue
        end = word.end() - 1
        value = 0
        if label := _AFTER_LABEL.match(text, end):
            value = label.end()
        elif _VERBS.fullmatch(word["word"]) and not text[end : end + 1].isalnum() and (gap := _FIRST.match(text, end)):
            value = gap.end()
        if value and (home := _HOME.match(text, value)):
            yield home.span()
