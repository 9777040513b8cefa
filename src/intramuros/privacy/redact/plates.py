"""Number plates of cars: France, Switzerland, Germany, Italy, Belgium, Luxembourg, Austria, Britain, Ireland.

One tier of the redactor. Some forms are a plate wherever they stand (a German district with its hyphen, `AB-123-CD`);
the others need a word nearby that speaks of a car, its driver or where it stands.

Source: the registration rules of these countries; the German districts are those of 2024.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from intramuros.privacy.redact.finding import Finding
from intramuros.privacy.redact.outline import has
from intramuros.privacy.redact.rules import Words

_CANTONS = "AG|AI|AR|BE|BL|BS|FR|GE|GL|GR|JU|LU|NE|NW|OW|SG|SH|SO|SZ|TG|TI|UR|VD|VS|ZG|ZH|FL"
_DISTRICTS = frozenset(
    """
    A AA AB ABG AC AE AH AIB AIC AK AL ALF ALZ AM AN ANA ANG ANK AÖ AP APD ARN ART AS ASL AT AU AUR AW AZ AZE B BA BAD
    BAR BB BBG BBL BC BCH BD BE BED BER BF BGD BGL BH BI BID BIN BIR BIT BK BKS BL BLB BLK BM BN BNA BO BÖ BOH BOR BOT
    BP BRA BRB BRG BRI BRK BRL BRV BS BSB BT BTF BÜD BÜR BÜS BÜZ BW BZ BZA C CA CAS CB CE CHA CLP CLZ CO COC COE CR
    CUX CW D DA DAH DAN DAU DB DBR DD DE DEG DEL DGF DH DI DIL DIN DIZ DKB DL DLG DM DN DO DON DS DU DÜW DW DZ E EA EB
    EBE EBN EBS ECK ED EE EF EG EH EHI EI EIC EIL EIN EIS EL EM EMD EMS EN ER ERB ERH ERK ERZ ES ESB ESW EU EW F FB FD
    FDB FDS FEU FF FFB FG FI FKB FL FLÖ FN FO FOR FR FRG FRI FRW FS FT FTL FÜ FÜS FW G GA GAN GAP GC GD GE GEL GEM GEO
    GER GF GG GHA GHC GI GK GL GLA GM GMN GN GNT GÖ GOA GOH GP GR GRA GRH GRI GRM GRZ GS GT GTH GÜ GUB GUN GV GVM GW
    GZ H HA HAB HAL HAM HAS HB HBN HBS HC HCH HD HDH HDL HE HEB HEF HEI HEL HER HET HF HG HGN HGW HH HHM HI HIG HIP HK
    HL HM HMÜ HN HO HOG HOH HOL HOM HOR HOT HP HR HRO HS HSK HST HU HV HVL HWI HX HY HZ IGB IK IL ILL IN IZ J JE JL
    JÜL K KA KB KC KE KEH KEL KEM KF KG KH KI KIB KK KL KLE KLZ KM KN KO KÖN KÖT KÖZ KR KRU KS KT KU KÜN KUS KW KY KYF
    L LA LAU LB LBS LBZ LC LD LDK LDS LEO LER LEV LF LG LH LI LIB LIF LIP LL LM LN LÖ LÖB LOS LP LR LRO LSA LSN LSZ LU
    LÜN LUP LWL M MA MAB MAI MAK MAL MB MC MD ME MED MEG MEI MEK MEL MER MET MG MGH MGN MH MHL MI MIL MK MKK ML MM MN
    MO MOD MOL MON MOS MQ MR MS MSE MSH MSP MST MTK MTL MÜ MÜB MÜL MÜR MW MY MYK MZ MZG N NAB NAI NAU NB ND NDH NE NEA
    NEB NEC NEN NES NEW NF NH NI NK NL NM NMB NMS NÖ NOH NOL NOM NOR NP NR NRÜ NU NVP NW NWM NY NZ OA OAL OB OBB OBG
    OC OCH OD OE OF OG OH OHA ÖHR OHV OHZ OK OL OP OPR OR OS OSL OVI OVL OVP P PA PAF PAN PAR PB PCH PE PEG PER PF PI
    PIR PL PLÖ PM PN PR PRÜ PS PW PZ QFT QLB R RA RC RD RDG RE REG REH REI RG RH RI RID RIE RL RM RN RO ROD ROF ROH
    ROK ROL ROS ROT ROW RP RPL RS RSL RT RU RÜD RÜG RV RW RY RZ S SAB SAD SAL SAN SAW SB SBG SBK SC SCZ SDH SDL SDT SE
    SEB SEE SEF SEL SFB SFT SG SGH SH SHA SHG SHK SHL SI SIG SIH SIM SK SL SLE SLF SLK SLN SLS SLÜ SLZ SM SMÜ SN SO
    SOB SOG SOK SÖM SON SP SPB SPN SR SRB SRO ST STA STB STD STE STH STL STO SU SUL SÜW SW SWA SY SZ SZB TBB TDO TE
    TET TF TG THL TIR TO TÖL TP TR TS TT TÜ TÜR TUT ÜB UE UEM UFF UH UL UM UN USI V VAI VB VEC VER VG VIB VIE VIT VK
    VOH VS W WA WAF WAK WAN WAR WAT WB WBG WBS WDA WE WEL WEN WER WES WF WG WHV WI WIL WIS WIT WIZ WK WL WLG WM WMS WN
    WND WO WOB WOH WOL WOR WOS WR WRN WS WSF WST WSW WT WTL WTM WÜ WUG WUN WUR WW WZ WZL X Y Z ZE ZEL ZI ZIG ZP ZR ZW
    ZZ
    """.split()  # noqa: SIM905
)
_COUNTIES = frozenset("C CE CN CW D DL G KE KK KY L LD LH LK LM LS MH MN MO OY RN SO T TS W WH WX WW".split())  # noqa: SIM905
_FR = "[A-HJ-NP-TV-Z]"
_BEGIN = r"(?<![0-9A-Za-z_].)(?<![0-9A-Za-z_]-.)(?<![0-9][.,:/].)(?<![+#=/].)"
_END = r"(?![0-9A-Za-z_])(?!-[0-9A-Za-z])(?![.,'/][0-9])"
_CAPITAL_FIRST = (
    rf"(?=[A-ZÄÖÜ \-:·']{{0,7}}[0-9]){_BEGIN}(?:(?:"
    rf"(?P<double>(?<=[A-HJ-NP-TV-Z]){_FR}(?P<between>[ \-]?)[0-9]{{3}}(?P=between)?[ \-]?{_FR}{{2}})"
    r"|(?P<german>[A-ZÄÖÜ]{0,2}(?P<link>-| - ?|:| )[A-Z]{1,2}(?:[ \-]?)[1-9][0-9]{0,3}[EH]?)"
    r"|(?P<british>[A-Z](?P<age>[0-9]{2})(?P<gap> ?)(?P<last>[A-Z]{3}))"
    r"|(?P<older>[0-9]{1,3} ?[A-Z]{3}(?! [0-9]{3,4}(?!\w)))"
    r"|(?P<short>[A-Z][ \-]?[0-9]{4})"
    r"|(?P<northern>(?:[IZ][A-Z]|[A-Z][IZ])(?<!KFZ) ?[0-9]{3,4})"
    r"|(?P<austrian>[A-Z]?[ \-][1-9][0-9]{2,4} ?[A-Z]{1,2})"
    r"|(?P<war>(?<=W)[ -]?[0-9]{3}[ -]?[A-Z]{2})"
    rf"){_END}"
    rf"|(?P<canton>[A-Z](?<=(?:{_CANTONS})))(?P<space>[ \-·]{{0,3}})(?P<figures>[1-9](?:['. ]?[0-9]){{1,5}})"
    rf"{_END}(?![.' ][0-9]))"
)
_DIGIT_FIRST = (
    rf"(?=[0-9]{{0,3}}[ \-]?[A-Z]){_BEGIN}(?:(?P<belgian>(?P<stroke>[ \-]?)[A-Z]{{3}}(?P=stroke)[0-9]{{3}})"
    r"|(?P<irish>[0-9]{1,2}-(?P<county>[A-Z]{1,2})-[0-9]{1,6})"
    rf"|(?P<old>[0-9]{{0,3}}[ \-]?[A-HJ-NP-TV-Z]{{2,3}}[ \-]?(?:[0-9]{{2}}|2[AB]|97[1-6]))){_END}"
)
_PLATES = re.compile(rf"[A-ZÄÖÜ0-9](?:(?<=[A-ZÄÖÜ]){_CAPITAL_FIRST}|(?<=[0-9]){_DIGIT_FIRST})")
_CAPITAL_PLATES = re.compile(rf"[A-ZÄÖÜ]{_CAPITAL_FIRST}")
"""The same for a text in which none begins with a digit."""
_MAY_BE_DIGIT_FIRST = has(b"0AA", b"0 AA", b"0-A")
_SMALL = re.compile(
    r"[a-zäöü](?<![\w\-].)(?:[a-z][ \-]?[0-9]{3}[ \-]?[a-z]{2}|[a-zäöü]{0,2}-[a-z]{1,2}[ \-]?[1-9][0-9]{1,3}"
    r"|[a-z][0-9]{2} ?[a-z]{3}|[a-z] [0-9]{2,3} ?[0-9]{3})"
    r"(?![\w])(?!-\w)"
)
_SMALL_DIGIT = re.compile(
    r"[0-9](?<=[a-z \-].)(?:(?<=[a-z].)(?:(?<=[a-zäöü]..)(?<![\w\-]...)|(?<=-..)|(?<=-[a-z]..))"
    r"|(?<=[a-z][ \-].)(?:(?<=[a-zäöü]...)(?<![\w\-]....)[0-9]|(?<=-...)|(?<=-[a-z]...)))"
)
"""The first digit of what `_SMALL` matches."""
_BEFORE_DIGIT, _FROM_DIGIT = 7, 12
"""At most so many characters of it stand before that digit, and less than so many from it on, with what it looks at."""
_SMALL_WORDS = frozenset(
    """
    de le la et en da al es an am at by se as ca km kg cm mm ml ch ps mb gb kb hp kw il au du un si no so in on to ab
    im um zu
    """.split()  # noqa: SIM905
)
_NO_BRITISH = frozenset("EUR CHF USD GBP THE AND FOR MIN MAX VAT TVA IVA PDF USB LED MHZ GHZ".split())  # noqa: SIM905
_REFERENCE = re.compile(
    r"(?:(?<![^\W_])(?:n[°o]|nr|num[ée]ro|nummer|number|r[ée]f\w*|rif\w*|art|article|artikel\w*|articolo"
    r"|bauteil|teil|pi[eè]ce|pezzo|part|schraube|kabel|modul|mod[eè]l\w*|modell?o?|type|typ|serial|s[ée]rie\w*"
    r"|sn|s/n|p/n|sku|code|codice|kode|bestell\w*|commande|ordine|order|auftrag\w*|ticket|dossier|akten\w*|az"
    r"|version|lot|charge|batch|vol|flug|flight|volo"
    r"|facture|rechnung\w*|fattura|invoice|norme?|din|iso|chf|usd|eur|code promo|gutschein|coupon|booking"
    r"|buchung\w*|r[ée]servation|pnr|rack|raum|salle|room"
    r"|steckplatz|port|poste?|zone|pin|id|cas|zimmer|plz|artikelnr|teilenr|regal|fach"
    r"|platz)(?![^\W_]))[ .:#°]{0,3}"
    r"(?:n[°or.]{0,2}[ .:]{0,2}|(?<=[.] )[a-zà-ÿ]{3,12} )?$"
)
_LABEL = re.compile(
    r"(?:immat\w{0,12}\.?|plaques?(?: min\w+)?(?: d'immat\w+)?|kennz\w{0,8}\.?|kontrollschild(?:er|ern)?"
    r"|nummernschild\w*|schild|targ(?:a|he|at[oaie])|tg\."
    r"|(?:number|licen[cs]e) ?plates?|plates?|reg(?:istration)?\.?|vrm|auto-?n(?:umme)?r\.?|kfz"
    r"|vehicle reg)(?: (?:sous le |n[°or.]*|no\.?|num\w+|number|mark|:|di)){0,3}[ :|\t\n]{0,4}$"
)
_NEAR = Words(
    "immatricul",
    "plaque",
    "véhicule",
    "vehicule",
    "voiture",
    "kennzeichen",
    "kontrollschild",
    "nummernschild",
    "targ",
    "number plate",
    "licence plate",
    "license plate",
    "registration",
    "fahrzeug",
    "wagen",
    "auto",
    "veicol",
    "carte grise",
    "camion",
    "furgon",
    "autocarro",
    "veicolo",
    "moto",
    "personenwagen",
    "pkw",
    "anhänger",
    "remorque",
    "rimorchio",
    "autoveicolo",
    "trailer",
    r"reg[ .:)]",
    *(
        "schild",
        "plaques?",
        "immat",
        "kennz",
        "kfz",
        "vrm",
        "tg\\.",
        "mezzo",
        "number ?plate",
        "busse",
        "amende",
        "multa",
        "contravv",
        "parkbusse",
    ),
    *(
        "stationn",
        "gar[ée]e?s?",
        "parqu",
        "parkiert",
        "geparkt",
        "parcheggi",
        "parked",
        "parkkarte",
        "einfahrt",
        "ausfahrt",
        "einstell",
        "stellplatz",
    ),
    *(
        "posto auto",
        "poliz",
        "polic[ei]",
        "owner of",
        "fine for",
        "i'm taking",
        "fahre",
        "car[ :|\\t]",
        "posteggio",
        "place de parc",
        "bay [0-9]",
        "conducteur",
        "conductrice",
        "fahrer",
        "lenker",
        "halter",
        "autista",
        "conducente",
        "driver",
    ),
    *(
        "pare-choc",
        "fourgon",
        "lieferwag",
        "berline",
        "cabrio",
        "limousine",
        "motorrad",
        "motorino",
        "motorbike",
        "motorcycle",
        "lorry",
        "truck",
    ),
    *(
        "lkw",
        "minibus",
        "führeraus",
        "permis",
        "patente",
        "unfall",
        "beteiligter",
        "sinistr",
        "accident",
        "constat",
        "incident",
        "collision",
        "kollision",
        "laster",
        "leasing",
        "flotte",
        "fleet",
        "flotta",
        "mietwagen",
        "dienstwagen",
        "firmenwagen",
        "autonoleggio",
        "garagist",
        "werkstatt",
        "officina",
    ),
    *(
        "captur",
        "model [3ysx]",
        "mini cooper",
        "smart (?:for|eq)",
        "seat leon",
        "iveco",
        "mokka",
        "alfa",
        "giulia",
        "yamaha",
        "vito",
        "cupra",
        "porsche",
    ),
    *(
        "macan",
        "land rover",
        "jeep",
        "kodiaq",
        "piaggio",
        "lancia",
        "ypsilon",
        "vespa",
        "jaguar",
        "jogger",
        "ssangyong",
        "lexus",
        "mitsubishi",
    ),
    *(
        "harley",
        "ducati",
        "kawasaki",
        "ktm",
        "scania",
        "daf ",
        "polestar",
        "byd ",
        "mg4",
        "zo[eé] ",
        "id\\.[345]",
        "aygo",
        "swift",
    ),
    *(
        "t-roc",
        "t-cross",
        "arona",
        "ateca",
        "kamiq",
        "superb",
        "lupo",
        "twingo",
    ),
    *(
        "fiat",
        "vw",
        "volkswagen",
        "renault",
        "peugeot",
        "citro[eë]n",
        "toyota",
        "ford ",
        "opel",
        "audi",
        "bmw",
        "merced",
    ),
    *(
        "škoda",
        "seat ",
        "volvo",
        "subaru",
        "nissan",
        "hyundai",
        "kia ",
        "dacia",
        "tesla",
        "mazda",
        "honda",
        "suzuki",
    ),
    *(
        "kangoo",
        "clio",
        "twingo",
        "m[ée]gane",
        "sc[ée]nic",
        "trafic",
        "duster",
        "berlingo",
        "picasso",
        "caddy",
        "golf",
        "polo",
    ),
    *(
        "passat",
        "tiguan",
        "touran",
        "sprinter",
        "ducato",
        "panda",
        "punto",
        "fiesta",
        "focus",
        "transit",
        "corsa",
        "astra",
    ),
    *("vivaro", "octavia", "fabia", "yaris", "corolla", "qashqai", "micra", "civic", "i20", "sandero", "kuga", "skoda"),
    "bus ",
    "transporter",
    "anhaenger",
    "kombi",
    "taxi",
    "utilitaire",
    "macchina",
    "scooter",
    "roller",
    " van ",
    "lieferwagen",
    "camionnette",
    "vehicle",
    "car ",
    "parking",
    "parkplatz",
    "garage",
    "plates",
    "plate",
)


class Plates:
    """Finds the forms, then asks what stands around."""

    name = "number plates"

    def analyse(self, text: str, language: str) -> Sequence[Finding]:
        """What it finds."""
        found = list(self._capital(text))
        found += self._small(text, text.lower())
        return found

    def _capital(self, text: str) -> Iterator[Finding]:
        for plate in _capital_plates(text):
            before = text[max(0, plate.start() - 60) : plate.start()].lower()
            if is_sure(plate):
                if not _REFERENCE.search(before[-28:]) or _LABEL.search(before):
                    yield Finding("LICENSE_PLATE", *plate.span(), 0.9)
            elif _LABEL.search(before) or (
                _is_likely(plate) and not _REFERENCE.search(before[-28:]) and _NEAR(_around(text, plate, before))
            ):
                yield Finding("LICENSE_PLATE", *plate.span(), 0.85)

    def _small(self, text: str, lowered: str) -> Iterator[Finding]:
        for plate in _small_plates(text):
            value = plate.group()
            before = lowered[max(0, plate.start() - 60) : plate.start()]
            if value[:2] in _SMALL_WORDS or value[-2:] in _SMALL_WORDS:
                continue
            if _LABEL.search(before) or (_NEAR(_around(text, plate, before)) and not _REFERENCE.search(before[-28:])):
                yield Finding("LICENSE_PLATE", *plate.span(), 0.8)


def _capital_plates(text: str) -> Iterator[re.Match[str]]:
    """What `_PLATES` finds."""
    return (_PLATES if _MAY_BE_DIGIT_FIRST(text) else _CAPITAL_PLATES).finditer(text)


def _small_plates(text: str) -> Iterator[re.Match[str]]:
    """What `_SMALL` finds."""
    done = 0
    for digit in _SMALL_DIGIT.finditer(text):
        at = digit.start()
        plate = _SMALL.search(text, max(done, at - _BEFORE_DIGIT), at + _FROM_DIGIT)
        if plate and plate.start() < at:
            done = plate.end()
            yield plate


def _around(text: str, plate: re.Match[str], before: str) -> str:
    after = text[plate.end() : plate.end() + 40].lower()
    return f"{before} \x00 {after}"


def is_sure(plate: re.Match[str]) -> bool:
    """Whether the form alone says that it is a plate."""
    value = plate.group()
    if plate["double"]:
        return plate["between"] == "-" and value[6] == "-"
    if plate["german"]:
        district, letters = re.split("[-: ]", value)[:2]
        digits = sum(c.isdigit() for c in value)
        is_long = digits > 2 or (digits == 2 and len(letters) == 2)
        is_known = district in _DISTRICTS and value[:5] not in {"AC-DC", "DC-AC"}
        return plate["link"] == "-" and is_long and is_known and " " in value
    if plate["british"]:
        age = int(plate["age"])
        return plate["gap"] == " " and (2 <= age <= 26 or 51 <= age <= 76) and plate["last"] not in _NO_BRITISH
    if plate["canton"]:
        figures = plate["figures"]
        if plate["space"] == "-" and len(figures) > 4 and figures.isdigit():
            return value[:2] in {"VD", "ZH", "VS", "NE", "GR", "TI", "BL", "SZ", "ZG", "NW", "OW", "UR", "JU"}
        is_split = re.fullmatch(r"[0-9]{2,3}[ '·.][0-9]{3}", figures) is not None
        return (
            is_split
            and plate["space"] in {" ", " · ", "·", "-"}
            and value[:2] not in {"FR", "AG", "SO", "BE", "SG", "GE"}
        )
    if plate.re is _CAPITAL_PLATES:
        return False
    if plate["belgian"]:
        return plate["stroke"] == "-"
    if plate["irish"]:
        return plate["county"] in _COUNTIES and re.match("[0-9]{2}[12]-", value) is not None
    return False


def _is_likely(plate: re.Match[str]) -> bool:
    """Whether a word that speaks of a car is enough for it."""
    if plate["german"]:
        return re.split("[-: ]", plate.group())[0] in _DISTRICTS
    if plate.re is _PLATES and plate["irish"]:
        return plate["county"] in _COUNTIES
    return not plate["short"] or plate.group()[:2] not in {"CH", "EN", "DE", "LE", "LA", "ID", "NR", "NO", "II", "IV"}
