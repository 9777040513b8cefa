"""Words that stand beside names, and words that look like names and are none, in four languages. Read by `names`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from intramuros.privacy.redact.first_names import fold


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.split())


def phrases(text: str) -> tuple[str, ...]:
    """The phrases of a list with bars between them."""
    return tuple(" ".join(phrase.split()) for phrase in re.split(r"\s\|\s", text.strip()))


def alternatives(pattern: str) -> list[str]:
    """What a pattern chooses from: its parts between the strokes that stand in no brackets."""
    parts, depth = [""], 0
    for char in pattern:
        depth += (char in "([") - (char in ")]")
        if char == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def by_first_letter(patterns: Iterable[str]) -> str:
    """Patterns as one alternation in which those that begin with the same letter stand together, for speed."""
    letters: dict[str, list[str]] = {}
    for pattern in patterns:
        first = pattern[0] if pattern[0].isalpha() and pattern[1:2] not in {"?", "*", "+", "{"} else ""
        letters.setdefault(first, []).append(pattern.removeprefix(first))
    return "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in letters.items())


_NO_LETTERS, _REPEATED = frozenset("\\.^$*+?{}[]|()"), frozenset({"?", "*", "+", "{"})


def by_letters(patterns: Iterable[str]) -> str:
    """Patterns as one alternation in which what they share at their beginning stands once, for speed.

    It matches what the patterns with strokes between them do, the same one where several can.
    """
    parts: list[str] = []
    letters: dict[str, list[str]] = {}
    for pattern in patterns:
        first = pattern[:1]
        if first and first not in _NO_LETTERS and pattern[1:2] not in _REPEATED and len(alternatives(pattern)) == 1:
            letters.setdefault(first, []).append(pattern[1:])
        else:  # it may begin as another does: their order stays
            parts += [*_together(letters), pattern]
            letters = {}
    return "|".join([*parts, *_together(letters)])


def _together(letters: dict[str, list[str]]) -> Iterator[str]:
    for first, rests in letters.items():
        yield first + (rests[0] if len(rests) == 1 else f"(?:{by_letters(rests)})")


TITLES = _words(
    """
    M MM Mr Mrs Ms Miss Mx Mme Mmes Mlle Mlles Monsieur Madame Mademoiselle Messieurs Mesdames Maître Maîtres Me Mes
    Dr Dre Drs Docteur Docteure Pr Prof Professeur Professeure Herr Herrn Herren Frau Frauen Fräulein Familie Sig
    Sigg Sigra Signor Signora Signore Signorina Signori Mag Lic Dipl Dott Dottssa Dottor Dottoressa Avv Avvocato Ing
    Geom Rag Arch Sir Sgt Capt Capitaine Colonel Doctor Professor Judge Fam Messrs Rechtsanwalt Rechtsanwältin
    Inspector Sergeant Constable Detective Lieutenant Reverend Rev Pfarrer Pfarrerin Lord Lady Freiherr Freifrau
    Ingegner Ingegnere Geometra Ragionier Professoressa Maresciallo Ispettore Ispettrice Brigadiere Eheleute Ehepaar
    Coniugi Stadtrat Stadträtin Gemeinderätin Oberarzt Oberärztin Chefarzt Chefärztin Hauptmann Wachtmeister Notarin
    Abbé Commandant Brigadier Adjudant Profssa Gentma Egr Dottore Avvocatessa Bürgermeister Bürgermeisterin Bundesrat
    Bundesrätin Stadtpräsident Stadtpräsidentin Gemeindepräsident Gemeindepräsidentin Wm Fw Kpl Gfr Wachtm Don Suor Cllr
    Councillor Revd Hr Hrn Drssa Dottsa Pastor Pasteur Assessore Sindaco Sindaca Adjoint Adjointe
    """
)

GREETINGS = _words(
    """
    Bonjour Bonsoir Salut Coucou Cher Chère Chers Chères Hello Hi Hey Dear Hallo Hoi Grüezi Liebe Lieber Liebes Sehr
    Guten Ciao Caro Cara Cari Care Salve Gentile Gentili Egregio Egregia Buongiorno Buonasera Morning Merci Danke
    Grazie Thanks Servus Moin
    """
)
CLOSINGS = phrases(
    """
    cordialement | bien cordialement | bien à vous | bien a vous | sincèrement | salutations |
    sincères salutations | meilleures salutations | avec mes meilleures salutations | amicalement | bien à toi |
    respectueusement | à bientôt | belle journée | bonne journée | cdlt | cdt | mit freundlichen grüssen |
    mit freundlichen grüßen | freundliche grüsse | freundliche grüße | viele grüsse | viele grüße | beste grüsse |
    beste grüße | liebe grüsse | liebe grüße | herzliche grüsse | herzliche grüße | hochachtungsvoll | mfg | lg |
    vg | gruss | gruß | freundlicher gruss | cordiali saluti | distinti saluti | cordialmente | un cordiale saluto |
    saluti | un saluto | con i migliori saluti | best regards | kind regards | regards | best | sincerely |
    yours sincerely | yours faithfully | warm regards | many thanks | thanks | cheers | best wishes | all the best |
    yours truly | a presto | grazie | merci | danke
    """
)
LABELS = phrases(
    r"""
    factur[ée] à | zuständig | rechnung an | fatturato a | invoice to | invoiced to |
    noms?(?: et pr[ée]noms?)? | pr[ée]noms?(?: et noms?)? | noms? de (?:famille|naissance|jeune fille) |
    nom d'usage | name(?:, vorname)? | full name | first name | last name | surname | given name | family name |
    vorname | vor- und nachname | nachname | familienname | nome(?: e cognome)? | cognome(?: e nome)? |
    salari[ée]e? | employ[ée]e? | employé\(e\) | salarié\(e\) | collaborateur | collaboratrice | bailleur |
    bailleresse | locataires? | mitarbeiter(?:in)? | mitarbeitende | arbeitnehmer(?:in)? | arbeitgeber |
    vermieter(?:in)? | mieter(?:in)? | dipendente | lavoratore | lavoratrice | locatore | conduttore | employee |
    tenant | landlord | patient(?:e|in)? | paziente | b[ée]n[ée]ficiaire | beneficiary | titulaire |
    kontoinhaber(?:in)? | inhaber(?:in)? | intestatario | account holder | card ?holder | contacts? |
    interlocuteur | interlocutrice | ansprechpartner(?:in)? | kontakt(?:person)? | contatto | referente |
    contact person | von | from | de | da | an | to | à | a | cc | bcc | cci | kopie | exp[ée]diteur | absender |
    destinataire | empf[äa]nger(?:in)? | mittente | destinatario | sender | recipient | signataire | sign[ée] par |
    signature | unterschrift | unterzeichnet | firma | signed(?: by)? | entschuldigt | anwesende? | abwesend |
    excusée?s? | absents? | assenti | scusati | apologies | versicherte[rn]? | lenker(?:in)? | fahrer(?:in)? |
    conduct(?:eur|rice) | conducente | driver | t[ée]moins? | zeug(?:e|in) | testimon[ei] | witness |
    steuerpflichtige[r]? | melder(?:in)? | bill to | ship to | zahlbar durch | payable par | pagabile da |
    g[ée]rante? | geschäftsführer(?:in)? | directeur | directrice | pr[ée]sidente? | amministratore |
    representative | repr[ée]sentante? | client(?:e)? | kunde | kundin | cliente | customer | assur[ée]e? |
    versicherte(?:r)? | assicurato | insured | demandeur | candidate? | kandidat(?:in)? | participants? |
    teilnehmer | partecipanti | attendees | pr[ée]sente?s? | presenti | rédacteur | auteur | autor(?:in)? | autore |
    author | conjoint | ehepartner | spouse | coniuge | manager | responsable | verantwortlich(?:er)? |
    responsabile | sachbearbeiter(?:in)? | notaire | notar | avocat | anwalt | médecin | arzt | medico | doctor |
    vendeur | acheteur | acquéreur | verkäufer | käufer | venditore | acquirente | seller | buyer | attn |
    sachbearbeitung | bearbeitung | bearbeitet von | erstellt von | erfasst von |
    traité par | établi par | saisi par | demandé par | validé par | redatto da | compilato da | created by |
    reported by | reporter | assignee | assigned(?: to)? | owner | requester | requested by | raised by | line manager |
    hiring manager | supervisor | vorgesetzte[rn]? | supérieure?(?: hiérarchique)? | n\+1 |
    protokollführ(?:er|erin|ung) |
    protokoll | procès-verbal | verbale | minutes(?: by| taken by)? | scribe | secrétaire(?: de séance)? | chair |
    vorsitz | présidence | verteiler | diffusion | distribution | next of kin | emergency contact | notfallkontakt |
    personne à prévenir | contatto di emergenza | unterzeichner | unterzeichnende[rn]? | firmatario | signatory |
    guest | gast | h[oô]te | ospite | traveller | passager | passagère | passeggero | reisende[rn]? | schüler(?:in)? |
    élève | alunno | alunna | pupil | student(?:in)? | studente | étudiante? | enfant | kind | child | bambino |
    mère | père | mutter | vater | madre | padre | mother | father | guardian | tuteur | tutrice | opérateur |
    op[ée]ratrice | technicien(?:ne)? | techniker(?:in)? | tecnico | technician | engineer | agent | berater(?:in)? |
    conseill(?:er|ère) | consulente | adviser | advisor | hausarzt | hausärztin | behandelnder arzt | zuweiser(?:in)? |
    médecin traitant | curante | gp | consultant | klient(?:in)? | bewohner(?:in)? | résidente? | assistito |
    assistita | vicino | vermittler(?:in)? | intermediario | garant | bürge | garante | guarantor | witness(?:ed by)? |
    mandant(?:in)? | mandante | mandataire | promittente | antragsteller(?:in)? | gesuchsteller(?:in)? | requérante? |
    richiedente | applicant | claimant | defendant | beklagte[rn]? | kläger(?:in)? | plaintiff | d[ée]fenderesse |
    d[ée]fendeur | attore | convenuto | referee | stagiaire | praktikant(?:in)? | tirocinante | intern | trainee |
    handler | policy ?holder | reviewers? | clerk | opened by | aperta da | in carico a | (?:dossier )?suivie? par |
    gemeldet von | zugewiesen an | rapportiert(?: von)? | visum | ouvert par | assigné à | relecteurs? | revisori? |
    known as | preferred name | rufname | surnom | detto | detta | hr | union rep(?:resentative)? | interviewer |
    betriebsrat | moderator(?:in)? | trainer(?:in)? | coach | dozent(?:in)? | host | kursleitung |
    à l'attention de | z\. ?hd\.?(?: von)? | c/o | zu händen | all'attenzione di | prepared by | approved by
        """
)
"""Labels of persons in forms and mail headers, each a pattern."""
INTRODUCERS = tuple(
    f"{phrase} "
    for phrase in phrases(
        """
    née | geborene | geb. | cc | phone | ask for | manager was | manager is | chiedere di |
    suivi par | suivie par | traité par | traitée par | géré par | remplacé par | remplacée par | retrouvé par |
    accompagné de | accompagnée de | assisté de | assistée de | betreut von | bearbeitet von | vertreten von |
    begleitet von | fragen an | rückfragen an | seguito da | seguita da | accompagnato da | accompagnata da |
    si chiama | handled by | assisted by | accompanied by | represented by | reports to | managed by |
    représenté par | représentée par | représentés par | vertreten durch | rappresentato da | rappresentata da |
    represented by | je soussigné | je soussignée | soussigné(e) | je m'appelle | mon nom est | ich heisse |
    ich heiße | mein name ist | mi chiamo | il sottoscritto | la sottoscritta | my name is | namens | nommé |
    nommée | établi par | rédigé par | signé par | approuvé par | à l'attention de | zu händen von | z.hd. |
    z. hd. | all'attenzione di | c/o | for the attention of | signed by | prepared by | monsieur | madame |
    mademoiselle | maître | docteur | professeur | signor | signora | dottor | avvocato | collègue | kollege |
    kollegin | collega | colleague | mon mari | ma femme | meine frau | mein mann | my wife | my husband |
    assistante | assistant | lenker | lenkerin | fahrer | fahrerin | zeuge | zeugin | conducteur | conductrice |
    témoin | conducente | testimone | autista | driver | witness | docente | maestra | lehrer | lehrerin |
    enseignante | enseignant | infirmière | patiente | patient | ami | amie | freund | freundin | amico | amica |
    époux | épouse | fils | fille | sohn | tochter | figlio | figlia | moglie | marito | dott. | dott.ssa | dr. |
    ing. | avv. | sig. | sig.ra | prof. | mme | frau | herr | herrn | mr | mrs | ms | dipl. ing. | med. | mag. |
    lic. iur. | lic. oec. | m.a. | ph.d. | geom. | rag. | arch. | sigg. | sigg.ri | signori | signorina | prof.ssa |
    ingegner | ingegnere | geometra | ragionier | ragioniere | professoressa | dottoressa | maresciallo | ispettore |
    coniugi | eheleute | ehepaar | rechtsanwalt | rechtsanwältin | pfarrer | pfarrerin | époux | consorts | abbé |
    inspector | sergeant | constable | detective | rev. | commandant | lieutenant | brigadier | adjudant | procureur |
    ho sentito | ho visto | chiama la | chiamo la | chiamare la | chiamato la | detto la | sentito la |
    counsel | parlato con | sentito con | d'accordo con | accordo con | incontrato | chiesto a | detto a | scritto a |
    telefonato a | appuntamento con | riunione con | spoke to | spoke with | spoken to | spoken with | talked to |
    talk to | speak to | speak with | talking to | met with | meeting with | chat with | checked with | check with |
    agreed with | heard from | reply from | call from | word from | vu avec | parlé à | parlé avec | discuté avec |
    échangé avec | rendez-vous avec | rdv avec | demandé à | demander à | demande à | dit à | écrit à | répondu à |
    transmis à | remis à | de la part de | gesprochen mit | telefoniert mit | rücksprache mit | termin mit |
    gespräch mit | gemäss | remplaçant de | remplaçante de | stellvertretung von | vertretung von | vertretung für |
    in vertretung von | im auftrag von | im namen von | in the name of | on behalf of | a nome di | per conto di |
    gemeldet von | zugewiesen an | beantwortet von | unterschrieben von | bestätigt von | ausgeführt von |
    verfasst von | validé par | validée par | demandé par | demandée par | écrit par | proposé par | relu par |
    proposto da | proposta da | firmato da | firmata da | approvato da | approvata da | redatta da | inoltrata a |
    inoltrato a | consegnato a | consegnata a | inviato a | inviata a | proposed by | seconded by | written by |
    chaired by | raised by | taken by | d'après | selon m. | rückruf an | frag mal | frag mal den | frag mal die |
    frag doch | heisst jetzt | heißt jetzt | écrire à | parler à | téléphoner à | beau-frère de | belle-sœur de |
    frère de | sœur de | mère de | père de | cousin de | cousine de | bruder von | schwester von | mutter von |
    vater von | sohn von | tochter von | cousine von | figlio di | figlia di | fratello di | sorella di |
    madre di | padre di | moglie di | marito di | brother of | sister of | son of | daughter of | wife of |
    husband of | mother of | father of | dr.ssa | dalla dott.ssa | med. pract. | pract. med. | dr. med. |
    lo studio | erster bürgermeister | stayed with | interview with |
    au nom de | pour le compte de | à mme | à m. | né de | chez le dr | chez mme | chez m. | chez le docteur
        """
    )
)
"""What stands before a name, in lower case."""
LIST_LABELS = _words(
    """
    présents présentes presents excusés absents participants anwesend anwesende entschuldigt abwesend teilnehmer
    presenti assenti scusati partecipanti present attendees apologies cc verteiler diffusion distribution bcc
    """
)
"""Labels after which several persons stand, with commas between them."""
WEAK_LABELS = _words(
    """
    de da an to à a from von cc bcc cci kopie client cliente kunde contact contacts contatto kontakt firma name
    employeur arbeitgeber responsable responsabile manager signature unterschrift participants attendees sender
    recipient expéditeur destinataire absender empfänger mittente destinatario bénéficiaire beneficiary titulaire
    bailleur vermieter locatore customer notaire notar avocat anwalt vendeur seller acheteur buyer acquéreur käufer
    verkäufer auteur autor autore author landlord directeur président référente referente c/o bill to ship zahlbar
    handler clerk visum durch payable par pagabile da fahrzeug protokoll procès-verbal verbale minutes owner
    distribution diffusion verteiler guest gast agent kind child enfant engineer consultant mandant bearbeitung
    vorsitz présidence reporter student technician techniker tecnico hôte hote ospite father mother père mère vater
    mutter gp hr host coach moderator betriebsrat
    """
)
"""Labels that also stand before firms and other things: one unknown word after them is no evidence."""
LEGAL_FORMS = _words(
    """
    SA SAS SASU SARL Sàrl EURL SNC SCI SCP SELARL GmbH AG KG OHG UG mbH eG SE SRL SpA Srl Sagl Spa Ltd LLC Inc PLC
    LLP Corp Co Limited Sociedad SCOP GIE SL Sagl Oy AB BV NV Lda ApS Stiftung Verein Fondation Association
    Associazione Fondazione Foundation Holding Group Groupe Gruppe Gruppo Bank Banque Banca Versicherung
    Versicherungen Assurance Assurances Assicurazioni Insurance Consulting Conseil Services Service Solutions
    Systems Systèmes Technologies Immobilier Immobilien Transports Logistique Partners Partner Partenaires Avocats
    Associés Rechtsanwälte Notaires Architectes & Cie Söhne Fils Fratelli Brothers Sons CI
    """
)
PLACES_BEFORE = _words(
    """
    rue avenue av boulevard bd place chemin impasse allée allee route quai cours square passage lycée lycee collège
    college école ecole hôpital hopital clinique fondation université universite stade gare aéroport aeroport musée
    musee institut théâtre pont tour parc centre espace prix résidence prison via viale piazza corso largo scuola
    ospedale università stadio istituto teatro parco premio aeroporto street road airport hospital university school
    prize award st saint sainte san santa sankt strasse platz schule spital universität stiftung flughafen bahnhof
    preis loi arrêt affaire méthode théorème théorie algorithme syndrome maladie effet constante île hotel hôtel
    villa château chateau castello schloss restaurant café bar groupe gruppe gruppo group société maison entreprise
    marque marke marca firma ditta lex company banque bank banca cabinet
    """
)
NOT_NAMES = _words(
    """
    Le La Les L Un Une Des De Du D Et Ou Ce Cette Ces Cet Il Elle Ils Elles Nous Vous On Je Tu Son Sa Ses Leur Leurs
    Mon Ma Mes Notre Nos Votre Vos En Au Aux Par Pour Sur Sous Dans Avec Sans Entre Vers Chez Dès Si Que Qui Quoi
    Dont Où Quand Comme Mais Car Donc Or Ni Ainsi Alors Après Avant Bien Tout Toute Tous Toutes Selon Suite Afin
    Depuis Pendant Lors Lorsque Puis Enfin Voici Voilà Merci Pas Plus Très Oui Non Ici Cela Ceci Celui Celle Ceux
    Der Die Das Den Dem Ein Eine Einen Einem Einer Eines Und Oder Aber Wenn Weil Dass Da Im In Am An Auf Aus Bei
    Beim Mit Nach Seit Von Vom Vor Zu Zum Zur Über Unter Durch Für Gegen Ohne Um Ich Er Sie Es Wir Ihr Ihre Ihren
    Ihrem Ihrer Ihnen Mein Meine Dein Sein Seine Unser Unsere Euer Ist Sind War Wird Hat Haben Nicht Kein Keine Auch
    Nur Noch Schon So Wie Was Wer Wo Wann Warum Hier Dort Heute Morgen Gestern Bitte Danke Ja Nein Lo Gli I Uno Una
    Del Della Dello Dei Degli Delle Al Alla Allo Ai Agli Alle Nel Nella Nello Nei Negli Nelle Sul Sulla Sui Sulle
    Dal Dalla Dai Con Per Tra Fra E Ed O Se Che Chi Cui Più Come Quando Dove Perché Anche Ogni Questo Questa Questi
    Queste Quello Quella Noi Voi Loro Lei Lui Io Suo Sua Suoi Sue Mio Mia Nostro Nostra Vostro Vostra Sono È Era Ha
    Hanno The A And But If Of To From By With Without At Into For As Is Are Were Be Been This That These Those It He
    She They We You His Her Their Our Your My No Not Yes All Any Each Every Some Such Only Also When Where Which Who
    What Why How There Here Then Than After Before During Please Let See Via Re Fw Fwd Tr Aw Wg Sg Monsieur Madame
    Messieurs Mesdames Mademoiselle Maître Herr Herrn Frau Signor Signora Signore Sir Damen Herren Madam Mr Mrs Ms
    Dr Prof Docteur Cher Chère Chers Chères Dear Liebe Lieber Sehr Gentile Gentili Egregio Spettabile Bonjour Hallo
    Hello Hi Ciao Buongiorno Guten Grüezi Tag Kolleginnen Kollegen Collègues Colleagues Colleghi Team Équipe Equipe
    Everyone Tutti Customer Client Clients Kunde Kundin Kunden Cliente Clienti Kundendienst Klient Collega Colleague
    Friend Friends Ami Amis Amie Freunde Customers Partner Partners Membres Mitglieder Applicant Candidate Candidat
    Bewerber Bewerberin Locataire Mieter Tenant Janvier Février Mars Avril Mai Juin Juillet Août Septembre Octobre
    Novembre Décembre Januar Februar März April Juni Juli August September Oktober November Dezember Gennaio
    Febbraio Marzo Aprile Maggio Giugno Luglio Agosto Settembre Ottobre Dicembre January February March May June
    July October December Lundi Mardi Mercredi Jeudi Vendredi Samedi Dimanche Montag Dienstag Mittwoch Donnerstag
    Freitag Samstag Sonntag Lunedì Martedì Mercoledì Giovedì Venerdì Sabato Domenica Monday Tuesday Wednesday
    Thursday Friday Saturday Sunday France Suisse Schweiz Svizzera Switzerland Allemagne Deutschland Germania
    Germany Italie Italien Italia Italy Europe Europa Paris Lyon Marseille Genève Genf Ginevra Geneva Lausanne
    Zürich Zurich Zurigo Bern Berne Berna Basel Bâle Basilea Berlin München Munich Hamburg Milano Milan Mailand Roma
    Rome Torino London Londres Londra Bruxelles Brussels Luxembourg Luxemburg Lugano Bellinzona Fribourg Freiburg
    Neuchâtel Sion Valais Vaud Wallis Luzern Winterthur Lille Nantes Bordeaux Toulouse Nice Strasbourg Rennes
    Grenoble Napoli Firenze Bologna Genova Venezia Francfort Frankfurt Köln Cologne Stuttgart Düsseldorf Directeur
    Directrice Président Présidente Ministre Maire Préfet Juge Procureur Commissaire Député Sénateur Secrétaire
    Gérant Gérante Responsable Conseiller Conseillère Direktor Direktorin Präsident Präsidentin Minister
    Bürgermeister Richter Richterin Bundesrat Bundesrätin Kanzler Leiter Leiterin Geschäftsführer Geschäftsführerin
    Vorsitzender Vorsitzende Direttore Direttrice Presidente Ministro Sindaco Giudice Avvocato Responsabile
    Amministratore Director President Manager Secretary Chairman Judge Mayor Chief Officer Service Département
    Direction Ressources Humaines Comptabilité Abteilung Personal Personalabteilung Buchhaltung Ufficio Risorse
    Umane Contabilità Department Human Resources Accounting Support Facture Rechnung Fattura Invoice Contrat Vertrag
    Contratto Contract Bulletin Salaire Lohn Stipendio Salary Article Artikel Articolo Section Chapitre Kapitel
    Capitolo Chapter Annexe Anhang Allegato Annex Appendix Objet Betreff Oggetto Subject Date Datum Data Total
    Totale Gesamt Summe Somme Net Netto Brut Brutto Lordo Gross Montant Betrag Importo Amount Référence Referenz
    Riferimento Reference Numéro Nummer Numero Number Page Seite Pagina Code Conseil Banque Bank Banca Commission
    Parlement Assemblée Sénat Tribunal Cour Gericht Bundesgericht Bundestag Corte Tribunale Camera Senato Court
    Union Communauté Commune République Republik Repubblica Republic Canton Kanton Cantone Confédération Loi Gesetz
    Legge Law Act Décret Règlement Verordnung Regolamento Regulation Directive Richtlinie Direttiva Constitution
    Verfassung Costituzione État Staat Stato State Government Gouvernement Ministère Ministerium Ministero Agence
    Agentur Agenzia Agency Office Amt Bureau Institut Société Gesellschaft Società Company Entreprise Unternehmen
    Impresa Firma Association Verein Fondation Stiftung Groupe Gruppe Gruppo Group Université Universität Università
    University École Schule Scuola School Hôpital Spital Krankenhaus Ospedale Hospital Projet Projekt Progetto
    Project Adresse Anschrift Indirizzo Address Téléphone Telefon Telefono Phone Tél Tel Fax Mobile Mail Email
    E-Mail Courriel Site Web Internet Google Microsoft Windows Linux Apple Python Java Docker Kubernetes GitHub
    Azure Amazon Oracle SAP Excel Word Outlook Teams Zoom Slack Noël Pâques Ostern Weihnachten Natale Pasqua
    Christmas Easter Avoir Cordialement Salutations Regards Grüsse Grüße Saluti Sincerely Best Kind Freundlichen
    Viele Beste Herzliche Distinti Cordiali Lu Approuvé Fait Signé Signature Unterschrift Assurance Versicherung
    Assicurazione Insurance Congé Urlaub Ferien Vacances Ferie Travail Arbeit Lavoro Work Employeur Arbeitgeber
    Employer Salarié Arbeitnehmer Employee Bailleur Vermieter Landlord True False None Null Self Class Def Return
    Import String Integer Boolean Type Value Error Exception Name Nom Prénom Vorname Nachname Cognome Nome
    Nationalité Nationalität Nazionalità Nationality Profession Beruf Professione Né Née Geboren Nato Nata Born Sexe
    Geschlecht Sesso Sex Grand Petit Nouveau Nouvelle Neue Neuer Neues Nuovo Nuova New Old Vieux Saint Sainte San
    Santa Sankt St Ste Rue Avenue Boulevard Place Chemin Route Strasse Straße Viale Piazza Street Road Lane Mairie
    Ville Gemeinde Comune Stadt Stadtwerke Caisse Kasse Cassa Garage Atelier Ateliers Officine Menuiserie
    Boulangerie Imprimerie Librairie Pharmacie Cabinet Kanzlei Studio Muster Ferretería Holzbau Treuhand Fiduciaria
    Fiduciaire Hotel Hôtel Restaurant Fonds Syndicat Régie Pflegeheim Verlag Ditta Kollege Kollegin Collègue
    Confrère Consœur Kamerad Nachbar Voisin Vicino Neighbour Finanzamt Amtsgericht Parliament Parlament Parlamento
    Senate Congress Council Konzern Kommission Commissione Kreml Kremlin Bercy Matignon Elysée Washington Moscou
    Moscow Moskau Mosca Pékin Beijing Peking Pechino Vienne Wien Vienna Madrid Lisbonne Lisbon Lissabon Kyiv Kiev
    Ankara Tokyo Ottawa Athènes Athens Athen Atene Varsovie Warsaw Warschau Prague Prag Praga Budapest Dublin Oslo
    Stockholm Helsinki Copenhague Espagne Spain Spanien Spagna Portugal Belgique Belgium Belgien Belgio Autriche
    Austria Österreich Pologne Poland Polen Polonia Russie Russia Russland Ukraine Ucraina Chine China Cina Japon
    Japan Giappone Inde India Indien Brésil Brazil Brasilien Brasile Canada Mexique Mexico Maroc Morocco Marokko
    Algérie Algeria Algerien Tunisie Tunisia Tunesien Sénégal Senegal Turquie Turkey Türkei Turchia Grèce Greece
    Griechenland Grecia Irlande Ireland Irland Irlanda Angleterre England Inghilterra Écosse Scotland Schottland
    Scozia Norvège Norway Norwegen Suède Sweden Schweden Danemark Denmark Dänemark Roumanie Romania Rumänien
    Bulgarie Bulgaria Croatie Croatia Kroatien Serbie Serbia Serbien Kosovo Albanie Albania Albanien Vietnam Corée
    Korea Iran Irak Iraq Israël Israel Liban Lebanon Libanon Afrique Africa Afrika Asie Asia Asien Amérique America
    Amerika Österreichische Europäische Manchester Leeds Bristol Liverpool Birmingham Edinburgh Glasgow Boston
    Chicago Sydney Montréal Québec Rouen Dijon Reims Metz Nancy Brest Tours Angers Limoges Caen Montpellier Annecy
    Chambéry Besançon Mulhouse Colmar Perpignan Aarau Aargau Solothurn Thun Biel Bienne Chur Coire Zug Schaffhausen
    Thurgau Ticino Tessin Uri Schwyz Nidwalden Obwalden Glarus Appenzell Graubünden Jura Delémont Montreux Vevey
    Yverdon Nyon Morges Sierre Martigny Locarno Chiasso Mendrisio Dresden Leipzig Bremen Hannover Nürnberg Dortmund
    Essen Bonn Mannheim Karlsruhe Augsburg Mainz Kiel Palermo Bari Verona Padova Trieste Bergamo Brescia Parma
    Modena Como Varese Sardegna Sicilia Toscana Lombardia Piemonte Veneto Bayern Sachsen Hessen Fehlercode Schritt
    Tabelle Figure Abbildung Tableau Étape Could Would Should Shall Did Does Do Has Have Had Kann Kannst Könnte Soll
    Sollte Muss Darf Puoi Può Potrebbe Deve Peux Peut Pouvez Doit Vertretung Urlaub Elternzeit Kündigung Bewerbung
    Danach Dann Dabei Dazu Darauf Darum Daher Deshalb Trotzdem Anschliessend Anschließend Zuerst Zuletzt Später Früher
    Inzwischen Jetzt Nun Bald Zudem Ausserdem Außerdem Allerdings Dennoch Somit Damit Davon Dafür Dagegen Hiermit
    Ensuite Puis Hier Demain Aujourd'hui Maintenant Désormais Toutefois Cependant Néanmoins Pourtant Parfois Toujours
    Ieri Oggi Domani Adesso Poi Intanto Inoltre Infine Tuttavia Dunque Quindi Prima Dopo Subito Ormai Stamattina
    Yesterday Today Tomorrow Now Later Then Meanwhile However Therefore Afterwards Finally Soon
    Cheers Gruss Gruß Gruess Grüessli Bises Bisous Abbraccio Bacioni Classe Klasse
    Licensee Licensor Contributor Supplier Purchaser Vendor Provider Processor Controller Insurer Policyholder Claimant
    Guarantor Borrower Lender Assignee Lessor Lessee
    Antrag Termin Treffen Besprechung Reunion Réunion Riunione Meeting Agenda Demande Candidature Absence Arrêt
    Richiesta
    Chancellor Registrar Bailiff Ombudsman Geb Sales Marketing Legal Finance Payroll Helpdesk Vertrieb Einkauf Verkauf
    Logistik Produktion Ventes Achats Vendite Acquisti Amministrazione Segreteria Secrétariat Sekretariat Empfang
    Reception Logistics Operations Procurement Facilities Communications Kommunikation Qualität Maintenance
    Domanda Congedo Assenza Request Application Absence Leave Report Reminder Rappel Erinnerung Sollecito Mahnung
    """
)
SURNAMES_TOO = _words(
    """
    Petit Grand Paris Berlin Milan Milano London Roma Mai May March Mars August Noël Freitag Sonntag Samstag Montag
    Sommer Winter Page Court Law Bank Banks Neu Alt Jung Klein Gross Saint Richter Kaiser Schulze Sion Nice Lang
    Rose Young Price Church Place Bonjour Salut Conseil Grandjean Merci Marchand Maire Lemaire Prince Juge
    """
)
"""Words of `NOT_NAMES` that are surnames too: right after a title they are one."""
COMMON_SURNAMES = _words(
    """
    Martin Bernard Dubois Durand Moreau Lefebvre Lefèvre Leroy Roux Fournier Girard Bonnet Dupont Lambert Fontaine
    Rousseau Vincent Muller Müller Lefevre Faure Mercier Guerin Boyer Garnier Chevalier Francois Legrand Gauthier
    Perrin Morin Nicolas Masson Marchand Duval Dumont Lemaire Meyer Dufour Meunier Brun Blanchard Giraud Joly
    Riviere Rivière Brunet Gaillard Barbier Arnaud Renard Schmitt Colin Vidal Caron Picard Roger Fabre Aubert
    Lemoine Renaud Dumas Payet Olivier Lacroix Philippe Bourgeois Pierre Benoit Rey Leclerc Rolland Leclercq
    Guillaume Lecomte Favre Rochat Jaquet Monnier Blanc Bovet Chappuis Cuendet Dubuis Emery Gander Jaccard Maillard
    Mottet Pasche Pittet Schmid Schneider Keller Weber Huber Meier Steiner Fischer Gerber Brunner Baumann Frei
    Zimmermann Moser Widmer Wyss Graf Roth Baumgartner Suter Kaufmann Bachmann Lüthi Schmidt Wagner Becker Schulz
    Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann
    Lange Werner Krause Lehmann Köhler Maier Herrmann König Walter Mayer Kaiser Fuchs Peters Lang Scholz Möller
    Weiss Jung Hahn Schubert Vogel Friedrich Günther Frank Berger Winkler Rossi Russo Ferrari Esposito Bianchi
    Romano Colombo Ricci Marino Greco Bruno Gallo Conti Costa Giordano Mancini Rizzo Lombardi Moretti Barbieri
    Fontana Santoro Mariani Rinaldi Caruso Ferrara Galli Martini Leone Longo Gentile Martinelli Vitale Lombardo
    Serra Coppola Bernasconi Fumagalli Cattaneo Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson
    Wright Thompson Evans Walker White Roberts Green Hall Wood Jackson Clarke Harris Clark Lewis Turner Hill Cooper
    Morris Ward Moore Anderson Garcia García Martinez Martínez Lopez López Sanchez Sánchez Perez Pérez Fernandez
    Fernández Rodriguez Rodríguez Gonzalez González Da Silva Ferreira Santos Pereira Oliveira Costa Nguyen Tran
    Traoré Diallo Diop Ndiaye Ba Sow Camara Keita Yılmaz Yilmaz Kaya Demir Öztürk Petrovic Petrović Jovanovic
    Jovanović Nikolic Kowalski Nowak Novak Popescu Benali Haddad Bouchard Tremblay
    """
)
