"""Makes the PDF and the Word file among the sample documents; the others are written by hand beside them.

    python scripts/make_samples.py

The firm, its people and its figures are invented. Run it after changing a text here, and commit what it makes.
"""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path

import docx
from docx.enum.text import WD_BREAK
from docx.shared import Pt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    ListFlowable,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

SAMPLES = Path(__file__).resolve().parent.parent / "src" / "intramuros" / "documents" / "samples"
DATE = datetime.datetime(2024, 3, 4, 9, 0, 0)

# page by page: (heading level, heading, paragraphs); a list is a list, a tuple of tuples is a table
RULES: list[list[tuple[int, str, list[object]]]] = [
    [
        (0, "Règlement intérieur", []),
        (1, "1. Objet et champ d'application", [
            "Le présent règlement fixe les règles de vie commune de l'entreprise Atelier Vauban SA, constructeur de portes et "
            "de cloisons coupe-feu. Il s'applique à tous les salariés du siège de La Chaux-de-Fonds et de l'usine de Besançon, "
            "quelle que soit la nature de leur contrat, ainsi qu'aux stagiaires et aux intérimaires.",
            "Il est entré en vigueur le 1er avril 2024 et remplace le règlement du 12 septembre 2019. Un exemplaire est remis à "
            "chaque nouvelle personne le jour de son arrivée.",
        ]),
        (1, "2. Horaires de travail", [
            "La durée hebdomadaire du travail à temps plein est de 40 heures à La Chaux-de-Fonds et de 37 heures à Besançon. Les "
            "bureaux pratiquent l'horaire variable ; la présence est obligatoire de 9 h 15 à 11 h 30 et de 14 h à 16 h.",
            "L'atelier travaille selon les horaires affichés, qui sont les suivants :",
            (("Équipe", "Début", "Fin", "Pause"), ("Matin", "5 h 45", "13 h 45", "30 minutes"),
             ("Après-midi", "13 h 45", "21 h 45", "30 minutes"), ("Journée", "7 h 30", "16 h 30", "60 minutes")),
            "Tout retard est signalé au responsable d'équipe avant le début du poste. Trois retards non justifiés en un mois "
            "donnent lieu à un entretien.",
        ]),
    ],
    [
        (1, "3. Congés et absences", []),
        (2, "3.1 Congés payés", [
            "Un salarié à temps plein a droit à 27 jours ouvrables de congés payés par année civile. Ce droit passe à 32 jours à "
            "partir de l'année des 50 ans. Les jours de congé non pris au 31 décembre peuvent être reportés jusqu'au 31 mars de "
            "l'année suivante ; au-delà, ils sont perdus, sauf maladie ou accord écrit de la direction.",
            "La demande de congé est déposée dans l'outil Temporel au moins quatre semaines avant le départ pour une absence de "
            "plus de cinq jours, et une semaine avant le départ dans les autres cas. Le responsable répond sous cinq jours "
            "ouvrables ; sans réponse dans ce délai, la demande est réputée acceptée.",
        ]),
        (2, "3.2 Congés spéciaux", [
            "Les congés spéciaux payés sont accordés dans les cas suivants :",
            ["mariage du salarié : 4 jours ;", "naissance ou adoption d'un enfant : 20 jours ;",
             "décès du conjoint ou d'un enfant : 5 jours ;", "déménagement : 1 jour par année civile."],
        ]),
        (2, "3.3 Maladie et accident", [
            "Toute absence pour maladie est annoncée avant 8 h 30 au responsable et au service du personnel. Un certificat médical "
            "est exigé dès le troisième jour d'absence. En cas d'accident, la déclaration doit parvenir au service du personnel dans "
            "les 48 heures.",
        ]),
    ],
    [
        (1, "4. Santé et sécurité", [
            "Le port des chaussures de sécurité et des lunettes est obligatoire dans tout l'atelier. Les protections auditives sont "
            "obligatoires dans les zones signalées en bleu, où le bruit dépasse 85 dB(A).",
            "Chaque poste de travail dispose d'une fiche de sécurité. Nul n'utilise une machine sans avoir suivi la formation interne "
            "correspondante, valable trois ans. Les défauts constatés sur une machine sont signalés immédiatement ; la machine est "
            "arrêtée et consignée avec un cadenas rouge.",
            "En cas d'évacuation, le point de rassemblement est le parking nord à Besançon et l'esplanade à La Chaux-de-Fonds. Un "
            "exercice d'évacuation a lieu deux fois par an.",
        ]),
        (1, "5. Télétravail", [
            "Le télétravail est possible deux jours par semaine au plus pour les fonctions qui le permettent, après six mois "
            "d'ancienneté et avec l'accord écrit du responsable. Le mardi est un jour de présence pour tous.",
            "L'entreprise verse une indemnité forfaitaire de 30 CHF, ou 28 euros à Besançon, par mois complet de télétravail régulier. "
            "Les transports transfrontaliers et les règles fiscales applicables sont précisés dans l'avenant remis par le service du "
            "personnel.",
        ]),
        (1, "6. Sanctions", [
            "Les manquements au présent règlement peuvent donner lieu, selon leur gravité, à un avertissement écrit, à une mise à pied "
            "de un à trois jours ou à un licenciement. Le salarié est entendu avant toute sanction et peut se faire assister par une "
            "personne de son choix appartenant à l'entreprise.",
            "Fait à La Chaux-de-Fonds, le 4 mars 2024. La directrice générale, Hélène Morand.",
        ]),
    ],
]  # fmt: skip

CONTRACT: list[tuple[int, str, list[object]]] = [
    (1, "Article 1 – Objet", [
        "Le présent contrat a pour objet l'entretien préventif et le dépannage des installations de climatisation et de ventilation "
        "de l'usine de Besançon d'Atelier Vauban SA (le client) par Clairval Technique Sàrl (le prestataire).",
    ]),
    (1, "Article 2 – Prestations", [
        "Le prestataire effectue quatre visites d'entretien par an, en mars, juin, septembre et décembre. Chaque visite comprend :",
        ["le contrôle des filtres et leur remplacement si nécessaire ;", "la vérification de l'étanchéité des circuits frigorifiques ;",
         "un rapport écrit remis dans les dix jours."],
    ]),
    (1, "Article 3 – Délais d'intervention", [
        "En cas de panne, le prestataire intervient dans les délais suivants, comptés à partir de l'appel au 03 81 00 42 17 :",
        (("Gravité", "Exemple", "Délai d'intervention"), ("Critique", "arrêt de la ventilation de la cabine de peinture", "4 heures"),
         ("Majeure", "climatisation des bureaux en panne", "1 jour ouvré"), ("Mineure", "bruit, réglage", "5 jours ouvrés")),
    ]),
    (9, "", []),
    (1, "Article 4 – Prix et paiement", [
        "Le prix forfaitaire annuel est de 18 400 euros hors taxes. Il est facturé par trimestre échu et payable à 30 jours. Les pièces "
        "de rechange sont facturées en sus, avec une remise de 12 % sur le tarif public.",
        "Le prix est révisé chaque année au 1er janvier selon l'indice ICHT-IME, sans pouvoir augmenter de plus de 3 % par an.",
    ]),
    (1, "Article 5 – Durée et résiliation", [
        "Le contrat CM-2024/07 est conclu pour trois ans à compter du 1er juillet 2024. Il est ensuite reconduit tacitement par périodes "
        "d'un an, sauf dénonciation par lettre recommandée trois mois avant l'échéance.",
        "En cas de manquement grave non réparé dans les 30 jours suivant une mise en demeure, chaque partie peut résilier le contrat sans "
        "indemnité.",
    ]),
    (1, "Article 6 – Pénalités", [
        "Tout dépassement d'un délai d'intervention critique donne droit à une pénalité de 150 euros par heure entamée, plafonnée à 5 % du "
        "prix annuel.",
    ]),
]  # fmt: skip


def rules_pdf() -> bytes:
    """The house rules: three pages with headings, lists, a table, a header and a footer."""
    written = io.BytesIO()
    document = BaseDocTemplate(
        written, pagesize=A4, title="Règlement intérieur", author="Atelier Vauban SA", invariant=1
    )
    frame = Frame(25 * mm, 25 * mm, A4[0] - 50 * mm, A4[1] - 55 * mm, id="text")
    document.addPageTemplates([PageTemplate("page", [frame], onPage=_header_and_footer)])
    sheet = getSampleStyleSheet()
    normal = ParagraphStyle("text", parent=sheet["Normal"], fontSize=10.5, leading=14.5, spaceAfter=6)
    styles = {0: sheet["Title"], 1: sheet["Heading1"], 2: sheet["Heading2"]}
    styles[1].fontSize, styles[2].fontSize = 15, 12.5
    story: list[Flowable] = []
    for number, page in enumerate(RULES):
        story += [PageBreak()] if number else []
        for level, heading, parts in page:
            story.append(Paragraph(heading, styles[level]))
            for part in parts:
                story += _flowables(part, normal)
    document.build(story)
    return written.getvalue()


def _flowables(part: object, style: ParagraphStyle) -> list[Flowable]:
    if isinstance(part, str):
        return [Paragraph(part, style)]
    if isinstance(part, list):
        return [ListFlowable([Paragraph(item, style) for item in part], bulletType="bullet", start="•"), Spacer(1, 4)]
    assert isinstance(part, tuple)
    table = Table([list(row) for row in part], colWidths=[38 * mm] * len(part[0]), hAlign="LEFT")
    table.setStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold")])
    return [table, Spacer(1, 8)]


def _header_and_footer(canvas: Canvas, document: BaseDocTemplate) -> None:
    canvas.setFont("Helvetica", 8)
    canvas.drawString(25 * mm, A4[1] - 15 * mm, "Atelier Vauban SA")
    canvas.drawRightString(A4[0] - 25 * mm, A4[1] - 15 * mm, "RI-2024, version 3")
    canvas.drawCentredString(A4[0] / 2, 12 * mm, f"Page {document.page} sur {len(RULES)}")


def contract_docx() -> bytes:
    """The maintenance contract: headings by style, a list, a table, a page break."""
    document = docx.Document()
    document.styles["Normal"].font.name, document.styles["Normal"].font.size = "Calibri", Pt(11)
    document.add_heading("Contrat de maintenance CM-2024/07", level=0)
    document.add_paragraph("Entre Atelier Vauban SA et Clairval Technique Sàrl, signé à Besançon le 12 juin 2024.")
    for level, heading, parts in CONTRACT:
        if level == 9:
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
            continue
        document.add_heading(heading, level=level)
        for part in parts:
            _add(document, part)
    core = document.core_properties
    core.author, core.title, core.created, core.modified = "Atelier Vauban SA", "Contrat de maintenance", DATE, DATE
    written = io.BytesIO()
    document.save(written)
    return _without_times(written.getvalue())


def _add(document: docx.document.Document, part: object) -> None:
    if isinstance(part, str):
        document.add_paragraph(part)
    elif isinstance(part, list):
        for item in part:
            document.add_paragraph(item, style="List Bullet")
    elif isinstance(part, tuple):
        table = document.add_table(len(part), len(part[0]), style="Table Grid")
        for row, cells in enumerate(part):
            for column, cell in enumerate(cells):
                table.cell(row, column).text = cell
        for cell in table.rows[0].cells:
            cell.paragraphs[0].runs[0].bold = True


def _without_times(content: bytes) -> bytes:
    """The same package with fixed times, so that the file changes only with its text."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, DATE.timetuple()[:6]), old.read(name), zipfile.ZIP_DEFLATED)
    return written.getvalue()


if __name__ == "__main__":
    (SAMPLES / "reglement-interieur.pdf").write_bytes(rules_pdf())
    (SAMPLES / "contrat-maintenance.docx").write_bytes(contract_docx())
