"""Names that the sentence around them gives away: verbs of persons, relations, functions in apposition.

Called by `names` for words with a capital that no list knows. Each word here is one that stands beside persons and
seldom beside firms, places or things; they are compared folded, without accents and case.
"""

from __future__ import annotations

import re

from intramuros.privacy.redact.first_names import fold
from intramuros.privacy.redact.words import phrases

_VERBS = frozenset(
    phrases(
        """
    a accepte | a appele | a corrige | a demande | a dit | a ecrit | a envoye | a explique | a fini | a oublie |
    a prevenu | a pris | a propose | a raison | a rappele | a recu | a refuse | a relu | a repondu | a signe |
    a telephone | a valide | a vu | abita | agreed | ajoute que | antwortet | antwortete | arbeitet | arbeitete
    | asked | asks | assure l'interim | avait accepte | avait appele | avait corrige | avait demande | avait dit
    | avait ecrit | avait envoye | avait explique | avait fini | avait oublie | avait prevenu | avait pris |
    avait propose | avait rappele | avait recu | avait refuse | avait relu | avait repondu | avait signe |
    avait telephone | avait valide | avait vu | bittet | called | calls | chiede | ci ha | demande | dice |
    dit que | e assente | e d'accordo | e deceduta | e deceduto | e in ferie | e in riunione | e in vacanza |
    e malata | e malato | e nata | e nato | e sposata | e sposato | era al telefono | erklart | erklarte |
    est absent | est absente | est celibataire | est d'accord | est decede | est decedee | est disponible |
    est divorce | est divorcee | est en arret | est en conge | est en conges | est en reunion | est en vacances
    | est joignable | est la | est malade | est marie | est mariee | est ne | est nee | est parti en |
    est partie en | est revenu | est revenue | estime que | explained | explique | fragt | fragte | freut sich |
    ha chiamato | ha chiesto | ha confermato | ha detto | ha firmato | ha ragione | ha risposto | ha scritto |
    ha telefonato | ha visto | habite | has agreed | has asked | has called | has joined | has left | has signed
    | hat angerufen | hat gefragt | hat gesagt | hat geschrieben | hat heute | hat mir | hat recht | hat schon |
    hat sich | hat uns | illustra | is absent | is away | is ill | is married | is on leave | is out |
    is retired | is sick | is single | ist abwesend | ist einverstanden | ist geboren | ist gestorben |
    ist heute | ist im urlaub | ist in den ferien | ist informiert | ist krank | ist ledig | ist seit |
    ist verheiratet | ist verstorben | joined | kommt aus | kommt erst | kommt heute | kommt morgen | lavora |
    lebt | lives | me remplace | meint | meinte | mi ha | mochte | n'a pas souhaite | nous a quittes | passe te
    | passed away | pense que | precise que | prend l'astreinte | prend la parole | prend le relais |
    prend sa retraite | propone | propose de | rappelle | rapporte | remplace | replied | replies | repond |
    reported | riferisce | risponde | ruft | s'absente | s'inquiete | s'occupe | sagt | sagte | said |
    sara assente | says | schlagt | schlagt vor | schreibt | sera absent | sera absente | sera en conge |
    sera la | sera present | sera presente | signed | sostituisce | souhaite | spiega | still needs | suggested
    | te rappelle | tells | thinks | told | travaille | ubernimmt | va appeler | va rappeler | va voir |
    vertritt | vient d'appeler | vive | vorrebbe | vous rappelle | wants | acknowledges | acknowledged | chiede
    chiarimenti | was on the phone | went home |
    will call | will collect | will join | will replace | will take over | wird dich | wird heute | wird ihn |
    wird morgen | wird sie | wird uns | wohnt | works | would like | writes | wrote | zahlt
        """
    )
)
"""What only persons are the subject of."""
VERB_BEGINS = frozenset(verb.split(" ")[0] for verb in _VERBS)
_CLITIC = re.compile(r"(?:[mtln]'|(?:ne|non|vous|nous|lui|me|te|mi|ti|ci|vi|gli|le) )(?=\w)")
_CLITICS = frozenset(("ne", "non", "vous", "nous", "lui", "me", "te", "mi", "ti", "ci", "vi", "gli", "le"))
RELATIONS = frozenset(
    phrases(
        """
    abwart | abwartin | beifahrer | beifahrerin | caretaker | contractor | courtier | cycliste | gemella | gemelli |
    gemello |
    handwerker | hauswartin | jumeaux | jumelles | lehrling | leiter | leiterin | livreur | lodger | ouvrier |
    ouvriere |
    physiotherapeut | physiotherapeutin | pieton | pietonne | portiere | schlosser | sigrist | therapeut | therapeutin |
    twins | zwillinge |
    agent | ami | amica | amico | amie | anwalt | anwaltin | apprenti | apprentie | arzt | arztin | assicurata |
    assicurato | assistant | assistante | assure | assuree | aunt | avocat | avocate | avvocato | beau-frere |
    beistand | beistandin | belle-soeur | beneficiaire | boss | brother | bruder | cassiere | certain | certaine
    | chauffeur | chef | chefin | claimant | client | cliente | cognata | cognato | colleague | collega |
    collegue | compagne | compagnon | concierge | conducente | confrere | conjoint | conjointe | conseiller |
    conseillere | consorts | consœur | contatto | cousin | cousine | cugina | cugino | custode | daughter |
    defendant | demanderesse | demandeur | dipendente | directeur | directrice | direttore | direttrice |
    docente | driver | educateur | educatrice | ehefrau | ehemann | employee | enfant | enfants | enkel |
    enkelin | enseignant | enseignante | epouse | epoux | fahrer | fahrerin | famiglia | familie | famille |
    father | femme | figlia | figlio | fille | fils | fratello | frere | friend | gatte | gattin | gendre |
    gerant | gerante | giudice | grand-mere | grand-pere | granddaughter | grandson | greffier | greffiere |
    grossmutter | grossvater | hausarzt | hausarztin | hausmeister | hauswart | hoirie | husband | infirmier |
    infirmiere | inquilina | inquilino | insured | juge | kassier | kassierin | kollege | kollegin | kontakt |
    kunde | kundin | landlord | lehrer | lehrerin | lenker | lenkerin | lernende | line manager | locataire |
    madre | maestra | maestro | maire | maitresse | mann | mari | marito | marraine | medecin | medico | mere |
    mieter | mieterin | mitarbeiter | mitarbeiterin | moglie | mother | mutter | nachbar | nachbarin |
    nachmieter | nachmieterin | neffe | neighbor | neighbour | nephew | neveu | nichte | niece | nipote | nomme
    | nommee | nonna | nonno | notaio | notaire | nurse | oberarzt | oberarztin | oncle | onkel | padre |
    parrain | passager | passagere | passenger | patient | patiente | patientin | paziente | pere | petit |
    petit-fils | petite | petite-fille | plaignant | plaignante | plaintiff | plombier | praktikant |
    praktikantin | prenomme | prenommee | preside | president | presidente | prevenu | prevenue | proprietaire |
    richter | richterin | salarie | salariee | schwager | schwester | schwiegersohn | schwiegertochter |
    secretaire | segretaria | segretario | sindaco | sister | soeur | sohn | son | sorella | stagiaire | suocera
    | suocero | supervisor | sœur | tante | teacher | temoin | tenant | testimone | tochter | trainee | trainer
    | trainerin | tresorier | tresoriere | uncle | vater | vedova | vedovo | vermieter | versicherte |
    versicherter | veuf | veuve | vicina | vicino | victime | voisin | voisine | vorgesetzte | vorgesetzter |
    widow | widower | wife | witness | witwe | witwer | zeuge | zeugin | zia | zio
        """
    )
)
"""What one person is to another or to a file: the name follows, or stands between commas after it."""
_FUNCTIONS = frozenset(
    phrases(
        """
    accountant | adjoint | adjointe | aged | agriculteur | agricultrice | analyst | architecte | artisan | arzt
    | arztin | assistant | assistante | avocat | avocate | avvocato | born | boulanger | boulangere | buchhalter
    | buchhalterin | chairman | chairwoman | charge | chargee | chauffeur | chef | cheffe | clerk | coiffeur |
    coiffeuse | comptable | conducteur | conductrice | consultant | consultante | cuisinier | cuisiniere |
    demeurant | depute | deputee | developer | directeur | director | directrice | direktor | direktorin |
    direttore | direttrice | domiciliata | domiciliato | domicilie | domiciliee | electrician | electricien |
    electricienne | elettricista | engineer | enseignant | enseignante | etudiant | etudiante | geboren | gerant
    | gerante | geschaftsfuhrer | geschaftsfuhrerin | giornalista | head | idraulico | impiegata | impiegato |
    infermiera | infermiere | infirmier | infirmiere | ingenieur | ingenieure | insegnante | intern | journalist
    | journaliste | koch | koechin | lehrer | lehrerin | leiter | leiterin | lernende | libraio | maire |
    manager | mechaniker | mechanikerin | medecin | medico | menuisier | menuisiere | muratore | nata | nato |
    ne | nee | notaire | nurse | operaia | operaio | peintre | pensionata | pensionato | pensioniert | pfleger |
    pflegerin | plombier | plumber | prasident | prasidentin | president | presidente | professeur | professeure
    | rentner | rentnerin | residing | responsable | retired | retraite | retraitee | sachbearbeiter |
    sachbearbeiterin | schreiner | schreinerin | secretaire | secretary | segretaria | segretario | serveur |
    serveuse | solicitor | student | studente | studentessa | studentin | teacher | technicien | technicienne |
    treasurer | tresorier | tresoriere | vendeur | vendeuse | wohnhaft
        """
    )
)
"""What stands after a name and a comma."""
_ACTS_BEFORE = frozenset(
    phrases(
        """
    appele | appelle | ask | asked | avvisa | chiama | chiamato | chiamo | dixit | heisse | heisst | named |
    nomme | ping | prevenez | previens | rappele | remercie | remplace | ringraziamo | s'appelle | sagte |
    schrieb | sostituisce | tell | thanked | told | vertritt
        """
    )
)
"""What is done to a person: the name follows."""
_RELATIONS_OR_ACTS = RELATIONS | _ACTS_BEFORE
ARTICLES = frozenset(
    phrases(
        """
    l | d | le | la | les | un | une | des | du | ce | cette | au | aux | notre | votre | leur | nos | vos | der
    | die | das | den | dem | des | ein | eine | einer | einem | unser | unsere | ihr | ihre | kein | keine |
    jeder | jede | il | lo | gli | i | uno | una | del | della | dello | dei | nel | nella | al | alla | the | a
    | an | this | that | our | your | each | every | sa | son | ses | mon | ma
        """
    )
)
_LAST_WORD = re.compile(r"(?<![^\W_])([^\W_][\w-]*+)[ ']$")
_APPOSED = re.compile(r"(?:[^\W\d_](?<![^\W\d_].)[\w'-]*)(?: [a-zà-ÿ][\w'-]{0,13}){0,3}(?:, | \()$")
_SET_OFF = frozenset({", ", " ("})
_AFTER_APPOSED = re.compile(r" ?(?:[,.;:)\n(]|$)")
_FUNCTION = re.compile(
    r"(?:, | \()(?:(?:notre|votre|our|unsere?|the|la|il|le) )?"
    r"([^\W\d_]{2,20}|[0-9]{1,3} (?:ans|jahre|anni|years))"
)
_WORDS = re.compile(r"[\w'-]+")


def word_before(text: str, start: int) -> str:
    """The word just before a place, folded; nothing where a sign stands between."""
    sign = text[start - 1 : start]
    if not sign or sign not in " '\n":
        return ""
    last = text[start - 24 if start > 24 else 0 : start - 1].rpartition(" ")[2]
    if sign != "\n":
        if last.isalnum():
            return last.lower() if last.isascii() else fold(last)
        if not last or not (last[-1].isalnum() or last[-1] in "_-"):
            return ""
    match = _LAST_WORD.search(text[max(0, start - 24) : start])
    return fold(match.group(1)) if match else ""


def is_of_a_person(text: str, start: int, end: int, *, words: int) -> bool:
    """Whether the sentence around the word or words at `start` to `end` speaks of a person."""
    following = text[end : end + 1]
    if following == " " and text[end + 1 : end + 2].islower() and _acts(text[end + 1 : end + 36]):
        return word_before(text, start) not in ARTICLES
    before = text[start - 1 : start]
    if before == " " and word_before(text, start) in _RELATIONS_OR_ACTS:
        return True
    if (
        (before == " " or before == "(")  # noqa: PLR1714 quicker than a set
        and text[start - 2 : start] in _SET_OFF
        and _AFTER_APPOSED.match(text, end)
    ):
        apposed = _APPOSED.search(text[max(0, start - 60) : start])
        if apposed and any(fold(word) in RELATIONS for word in _WORDS.findall(apposed.group())):
            return True
    if words == 1 or following not in {",", " "}:
        return False
    function = _FUNCTION.match(text, end)
    return function is not None and (function.group(1)[0].isdigit() or fold(function.group(1)) in _FUNCTIONS)


_AUXILIARIES = frozenset(
    phrases(
        "a | est | sera | avait | etait | hat | ist | war | wird | kommt | kann | ha | e | era | is | has | was | said"
    )
)


def is_subject(text: str, start: int, end: int) -> bool:
    """Whether a verb that persons often have follows: enough for a first name that is also another word."""
    following = _WORDS.match(text, end + 1) if text[end : end + 1] == " " else None
    if following is None or fold(following.group()) not in _AUXILIARIES:
        return False
    return word_before(text, start) not in ARTICLES


def _acts(after: str) -> bool:
    """Whether a verb of persons comes next, in small letters."""
    word = after.partition(" ")[0]
    if word.isalpha() and word not in _CLITICS and fold(word) not in VERB_BEGINS:
        return False
    clitic = _CLITIC.match(after)
    start = clitic.end() if clitic else 0
    first = _WORDS.search(after, start)
    if first is None or fold(first.group()) not in VERB_BEGINS:
        return False
    said = [fold(word) for word in _WORDS.findall(after, start)[:4]]
    return any(" ".join(said[:length]) in _VERBS for length in range(1, len(said) + 1))
