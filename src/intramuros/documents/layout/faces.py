"""The letters a page can be drawn with: the five faces every PDF reader has inside, and how wide their characters are.

Called by `flow`, which measures, by `draw`, which draws, and by the viewer, which says what could not be drawn. Plain
tables: loads no font. What no face has is drawn as an empty box, never left out.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import groupby

FONTS = {
    "text": "Helvetica",
    "bold": "Helvetica-Bold",
    "code": "Courier",
    "symbol": "Symbol",
    "dingbat": "ZapfDingbats",
}
"""The name of each face among the standard fonts (ISO 32000-1, 9.6.2.2)."""
BOX = "box"
BOX_WIDTH = 600

# Widths in thousandths of the type size, as PDFium's own fonts have them; a test holds them true.
# fmt: off
_TEXT = (
    (191, "'"),
    (222, "ijl‚‘’"),
    (260, "|¦"),
    (278, " !,./:;I[\\]ft·ÌÍÎÏìíîï"),
    (333, "()-`r„ˆ‹“”˜¡¨¯²³´¸¹"),
    (334, "{}"),
    (350, "•"),
    (355, "\""),
    (365, "º"),
    (366, "›"),
    (370, "ª"),
    (389, "*"),
    (400, "°"),
    (469, "^"),
    (500, "Jcksvxyzšžçýÿ"),
    (537, "¶"),
    (556, "#$0123456789?L_abdeghnopquƒ†‡–¢£¤¥§µàáâãäåèéêëðñòóôõöùúûüþ"),
    (584, "+<=>~¬±×÷"),
    (611, "FTZŽ¿ßø"),
    (612, "«»"),
    (667, "&ABEKPSVXY€ŠŸÀÁÂÃÄÅÈÉÊËÝÞ"),
    (722, "CDHNRUwÇÐÑÙÚÛÜ"),
    (737, "©®"),
    (778, "GOQÒÓÔÕÖØ"),
    (833, "Mm"),
    (834, "¼½¾"),
    (889, "%æ"),
    (944, "Wœ"),
    (1000, "…‰Œ—™Æ"),
    (1015, "@"),
)
_BOLD = (
    (238, "'"),
    (278, " ,./I\\ijl‚‘’·ÌÍÎÏìíîï"),
    (280, "|¦"),
    (333, "!()-:;[]`ftˆ‹˜›¡¨¯²³´¸¹"),
    (350, "•"),
    (365, "º"),
    (370, "ª"),
    (389, "*r{}"),
    (400, "°"),
    (474, "\""),
    (500, "z„“”ž"),
    (556, "#$0123456789J_aceksvxyƒ†‡–š¢£¤¥§«¶»àáâãäåçèéêëýÿ"),
    (584, "+<=>^~¬±×÷"),
    (611, "?FLTZbdghnopquŽµ¿ßðñòóôõöøùúûüþ"),
    (667, "EPSVXYŠŸÈÉÊËÝÞ"),
    (722, "&ABCDHKNRU€ÀÁÂÃÄÅÇÐÑÙÚÛÜ"),
    (737, "©®"),
    (778, "GOQwÒÓÔÕÖØ"),
    (833, "M"),
    (834, "¼½¾"),
    (889, "%mæ"),
    (944, "Wœ"),
    (1000, "…‰Œ—™Æ"),
    (1072, "@"),
)
_SYMBOL = (
    (167, "⁄"),
    (247, "′"),
    (250, "⋅"),
    (274, "∫"),
    (329, "ι〈〉"),
    (333, "Ι"),
    (411, "γ″"),
    (439, "εςτ∋"),
    (493, "ξ"),
    (494, "δζ∂◊"),
    (500, "∗"),
    (521, "θνφ"),
    (549, "βκλοπρχ∃−√∼≅≈≠≡≤≥"),
    (556, "Ρ"),
    (576, "υ"),
    (592, "Σ"),
    (603, "Γησϕ↑↓⇑⇓∧∨"),
    (611, "ΕΖΤ"),
    (612, "∆"),
    (620, "ϒ"),
    (631, "αϑ"),
    (645, "Ξ"),
    (658, "↵⊥"),
    (667, "Β"),
    (686, "Λψωℑ⌠⌡"),
    (690, "Υ"),
    (713, "ϖ∀∇∈∉∑∝∞⊂⊃⊄⊆⊇"),
    (722, "ΑΗΚΝΟΧ"),
    (741, "Θ"),
    (753, "♠♣♥♦"),
    (763, "Φ"),
    (768, "ΠΩ∠∩∪⊕⊗"),
    (795, "Ψℜ"),
    (823, "ℵ∅∏"),
    (863, "∴"),
    (889, "Μ"),
    (987, "℘←→⇐⇒"),
    (1042, "↔⇔"),
)
_DINGBAT = (
    (138, "❘"),
    (234, "❲❳"),
    (276, "❬❭"),
    (277, "❙"),
    (317, "❪❫"),
    (334, "❴❵"),
    (390, "❨❩"),
    (392, "❛❜"),
    (410, "❰❱"),
    (415, "❚"),
    (438, "◗"),
    (463, "➧"),
    (494, "✝"),
    (509, "❮❯"),
    (537, "✟"),
    (544, "❢❣"),
    (549, "✌"),
    (552, "✞"),
    (571, "✗"),
    (577, "✠"),
    (595, "♦"),
    (626, "♠"),
    (667, "❥"),
    (668, "❝❞"),
    (677, "✘"),
    (682, "✽"),
    (687, "❄"),
    (689, "❆"),
    (690, "✉"),
    (692, "✡"),
    (694, "♥"),
    (695, "✶"),
    (696, "❅➭➮"),
    (701, "✾"),
    (707, "✻❃"),
    (708, "✼"),
    (713, "❉"),
    (719, "☎"),
    (723, "✲"),
    (732, "❡"),
    (744, "✱"),
    (748, "➘➚"),
    (749, "✳"),
    (754, "✜"),
    (755, "✓"),
    (759, "✛✺❑❒"),
    (760, "✚❦❧➲"),
    (761, "■✖"),
    (762, "✕❏❐"),
    (763, "✙"),
    (768, "✸"),
    (771, "➴➶"),
    (776, "♣✷"),
    (784, "❖"),
    (785, "❋"),
    (786, "✢❇"),
    (787, "❈"),
    (788, "①②③④⑤⑥⑦⑧⑨⑩◆✣✤❶❷❸❹❺❻❼❽❾❿➀➁➂➃➄➅➆➇➈➉➊➋➌➍➎➏➐➑➒➓"),
    (789, "✆✪❁❂"),
    (790, "✇✥✴"),
    (791, "●✈❊"),
    (792, "✵✹"),
    (793, "✦"),
    (794, "✧"),
    (815, "❀"),
    (816, "★✮"),
    (823, "✩✬"),
    (826, "✿"),
    (828, "➡"),
    (831, "✯➺"),
    (833, "✭"),
    (834, "➟"),
    (836, "➩➪"),
    (841, "✫"),
    (846, "✔"),
    (855, "✍"),
    (865, "➵"),
    (867, "➫➬"),
    (873, "❍➠➻"),
    (874, "➯➱"),
    (883, "➨"),
    (888, "➷➹"),
    (892, "▲▼"),
    (894, "➔"),
    (910, "❤"),
    (911, "✎✐"),
    (917, "➤"),
    (918, "➛➾"),
    (923, "✰"),
    (924, "➙➢➣"),
    (927, "➜➼"),
    (928, "➝➞"),
    (930, "➥"),
    (931, "➦"),
    (933, "✏"),
    (939, "☞"),
    (945, "✑"),
    (946, "➳"),
    (960, "☛"),
    (961, "✂"),
    (967, "➸"),
    (970, "➽"),
    (974, "✁✃✒"),
    (980, "✄"),
)
# fmt: on
_CODE_WIDTH = 600


def _spread(table: tuple[tuple[int, str], ...]) -> dict[str, int]:
    return {character: width for width, characters in table for character in characters}


_OWN = {
    "text": _spread(_TEXT),
    "bold": _spread(_BOLD),
    "code": dict.fromkeys(_spread(_TEXT), _CODE_WIDTH),
    "symbol": _spread(_SYMBOL),
    "dingbat": _spread(_DINGBAT),
}
_WIDTHS = {face: _OWN["dingbat"] | _OWN["symbol"] | _OWN[face] for face in ("text", "bold", "code")}

_ALIKE = str.maketrans(
    dict.fromkeys("\u00a0\u202f\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u205f\u3000", " ")
    | dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\ufe0e\ufe0f\ufeff\r", "")
    | dict.fromkeys("\u00ad\u2010\u2011\u2043─━", "-")
    | dict.fromkeys("▪∙◦‣⁃", "•")
    | dict.fromkeys("│┃├┤", "|")
    | dict.fromkeys("└┘┌┐┬┴┼", "+")
    | {
        "\t": "    ",
        "\u2012": "–",
        "\u2015": "—",
        "Ω": "\u2126",
        "Δ": "\u2206",
        "μ": "µ",
        "ʼ": "’",
        "✅": "✔",
        "❌": "✖",
    }
)  # U+2012 to U+2015 are dashes; Symbol knows ohm and increment, not the Greek letters


def drawn(text: str) -> str:
    """What is drawn for a text: composed, and with the nearest character of the faces where there is one like it."""
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", text).translate(_ALIKE)


@lru_cache(maxsize=1 << 16)
def width(text: str, face: str) -> int:
    """How wide a text is drawn, in thousandths of the type size."""
    widths = _WIDTHS[face]
    return sum(widths.get(character, BOX_WIDTH) for character in drawn(text))


def runs(text: str, face: str) -> list[tuple[str, str, int]]:
    """What is drawn for a text, cut where its face changes: (face or `BOX`, characters, width)."""
    widths = _WIDTHS[face]
    found = []
    for used, characters in groupby(drawn(text), key=lambda character: _face_of(character, face)):
        piece = "".join(characters)
        found.append((used, piece, sum(widths.get(character, BOX_WIDTH) for character in piece)))
    return found


def boxes(text: str) -> int:
    """How many characters of a text no face has."""
    known = _WIDTHS["text"]
    return sum(not (character in known or character.isspace()) for character in drawn(text))


def _face_of(character: str, face: str) -> str:
    return next((name for name in (face, "symbol", "dingbat") if character in _OWN[name]), BOX)
