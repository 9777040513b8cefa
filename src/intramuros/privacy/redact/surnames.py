"""Surnames borne in France and Switzerland that are no common words, and what the endings of others tell.

Read by `names`. A surname is evidence only beside something else: another word with a capital, an initial, a verb that
persons alone are the subject of.
"""

from __future__ import annotations

import re

from intramuros.privacy.redact.first_names import fold
from intramuros.privacy.redact.lists import listed


def _names(text: str) -> frozenset[str]:
    return frozenset(fold(name) for name in text.split())


SURNAMES = _names(
    """
    Abadie Abdelkader Abdi Abdullah Adam Aebi Aebischer Aeschlimann Affolter Aguilar Ahmed Ahmeti Aït Albrecht Alder
    Aliu Allard Allemann Almeida Alonso Alvarez Alves Amari Amiot Ammann Amrani Amstutz Andrade Andrey Antunes
    Araújo Arnold Asani Aubry Audet Aydin Aymon Azevedo Bachelard Bacher Badertscher Bailly Bajrami Balmer Bamert
    Baptista Barbosa Barman Barras Barreto Bastian Baudin Baudry Bauer Baumann Bazin Beaumont Bédard Beck Begić
    Belhadj Belkacem Bellini Benalia Benammar Bencheikh Benhamou Benkirane Benmansour Bennani Benoît Bensaid
    Benslimane Berisha Bernardi Berset Bertholet Berthoud Bertolini Bertrand Besson Betschart Bezzola Bianchini
    Bieri Biver Blaser Blattner Bloch Blum Bolliger Bonvin Borel Borges Boschetti Bösch Bossard Bosshard Bouazza
    Boudjelal Bouhassoun Boulanger Bourdon Bourquin Bourquenoud Boutin Bouvier Brägger Brandenberger Brändli Branco
    Bregy Breitenmoser Brönnimann Brügger Brülhart Brunschwig Bucher Büchi Buchs Bühler Bühlmann Bürgi Burri Cabral
    Caillet Calvo Camenzind Campos Cardoso Carneiro Carrard Carrel Carron Carvalho Casagrande Castella Castro
    Cavadini Cereghetti Chaoui Charbonnier Charrière Chaudhry Chauvet Chavez Chen Cherif Chevrolet Christen Cissé
    Clerc Clivaz Coelho Cohen Comte Cordonier Corminboeuf Correia Cottier Coulibaly Courvoisier Coutinho Crausaz
    Crettaz Crettenand Crivelli Cruz Curchod Dähler Dallèves Danioth Darbellay Daubresse David Debons Dedić
    Delacroix Delattre Delay Delmas Delorme Demont Deschamps Desbiolles Devaud Diaby Diarra Dias Diaz Dieng Diethelm
    Djokić Dogan Domingues Donzé Dos Dragović Droz Dubach Dubreuil Ducret Ducrey Dufresne Dupuis Dupuy Durrer Dutoit
    Eberle Ebner Eggenberger Egger Eggimann Egli Eichenberger Eicher Elezi Engel Erni Escoffier Estermann Etter Eze
    Faivre Fall Farah Farine Fasel Fässler Favez Fazio Felber Feller Fellay Ferhati Fernandes Ferreira Figueiredo
    Fiore Flückiger Flury Foletti Fonseca Forster Fofana Fournier Freiburghaus Freitas Frésard Frey Freymond Frick
    Fritschi Fröhlich Furrer Gagnebin Gallay Galli Gashi Gasser Gaudin Gautier Gay Geiser Geissbühler Genoud
    Germanier Gerster Ghezzi Giger Gigon Gilliéron Gisler Gjokaj Glauser Glur Gmür Gnägi Gobet Godel Gomes Gomez
    Gonçalves Grandjean Grob Gross Grosjean Grossenbacher Grünig Gubler Guerra Guerreiro Guggisberg Guignard Guillet
    Gutierrez Gutknecht Gut Gygax Haas Habegger Häberli Hachemi Hadžić Hafner Haldimann Halimi Haller Hamdi Hammami
    Hamon Hasani Häfliger Hänni Hari Hartmann Häusler Hebeisen Heiniger Held Heller Henchoz Henry Hernandez Herzog
    Hess Hirschi Hirt Ho Hodel Hodžić Hofer Hoffmann Hofstetter Holzer Horvath Horváth Hostettler Hotz Howald Hoxha
    Huang Huguenin Humbert Hunziker Hürlimann Huwiler Huynh Ibrahimi Imboden Imhof Inauen Ineichen Ismaili Iten
    Jacot Jacquier Jäggi Jakupi Jansen Jashari Jeanneret Jenni Jordi Joss Jost Kabashi Kaddour Kadriu Kälin Kamara
    Kamber Kane Känel Kaltenbach Karrer Käser Kastrati Kaufmann Kehl Keïta Kerdreux Kessler Khelifi Kilchenmann Kläy
    Knecht Kobel Koller Konaté Koné Konrad Kopp Kouassi Kouyaté Kowalczyk Krähenbühl Kramer Krasniqi Krebs Kryeziu
    Kuhn Künzi Künzler Kunz Küng Kurmann Küttel Labarthe Lacombe Lahlou Lambelet Landolt Lanz Laurent Lavanchy
    Lechner Leclercq Lehner Leiser Lemaître Lenherr Leuenberger Leuthold Levy Lévy Lienhard Limani Lima Linder
    Liniger Locher Loeffel Lopes Lorenz Losey Lovis Lucić Luginbühl Lustenberger Lutz Luy Machado Magalhães Magnin
    Maître Maksimović Malherbe Mansour Marques Marti Martinez Martins Marty Maslić Matter Matthey Mäder Mayor Mbaye
    Medeiros Medina Mehmeti Meister Mekhloufi Melo Mendes Mendy Menétrey Mensah Mermoud Messerli Métrailler Mettler
    Meylan Meyrat Michaud Michel Michellod Miranda Mischler Mohamed Molina Monney Monteiro Monnat Morand Morax
    Moreira Morel Moreno Morina Moret Mosimann Mottaz Moulin Moura Müllhaupt Muñoz Murati Murer Mustafa Mutti Naef
    Nasri Neuenschwander Neuhaus Neves Ngo Nicolet Nicollier Niederberger Niggli Nobs Noverraz Nunes Nussbaum
    Nyffeler Nyffenegger Oberholzer Obermüller Ochsner Odermatt Oeschger Oppliger Orlando Ortega Ortiz Osmani Ott
    Oulevay Pache Pacheco Paiva Papaux Parisod Paschoud Patel Pavlović Peduzzi Pedrazzini Pellegrini Pelletier
    Pellet Peña Penseyres Pereira Perret Perrenoud Perritaz Perroud Peter Petignat Petit Petitpierre Pfammatter
    Pfister Pfyffer Pham Phan Pichon Piguet Piller Pillonel Pinheiro Pinto Pires Pittier Plüss Porchet Portmann
    Poulain Pousaz Preisig Progin Prost Python Quadri Quartenoud Queloz Rachedi Rahmani Raimondi Ramadani Ramirez
    Ramos Ramseier Rappo Rasmussen Rebetez Regazzi Reichenbach Reichmuth Reis Renaud Rexhepi Reymond Reynard Rhyner
    Ribeiro Ribi Richard Rieder Riesen Riva Rivas Robert Rocha Rodrigues Röthlisberger Roduit Rohner Rohrbach Rosset
    Rossier Rothen Rötheli Rouiller Rousset Ruch Rüegg Rüegsegger Ruffieux Ruiz Rupp Rusca Ryf Saïdi Salamin Salihi
    Salzmann Sanogo Santana Sartori Sauter Savoy Schaad Schaffner Schaller Schär Schärer Schaub Schenk Scherrer
    Scheurer Schibli Schindler Schlatter Schläpfer Schlegel Schlup Schmidlin Schmutz Schnyder Schoch Schönenberger
    Schori Schumacher Schürch Schuwey Schwab Schwaller Schwander Schweizer Schwery Schwitter Seiler Selimi Selmani
    Senn Shala Shehu Siegenthaler Siegrist Signer Silva Simon Singh Sieber Sommer Solari Soares Sousa Souza Spahr
    Spörri Spycher Stadelmann Stäheli Stalder Stämpfli Staub Stauffer Stettler Steffen Steinmann Stoll Stojanović
    Strahm Straub Streit Stucki Studer Stutz Sulmoni Sutter Sylla Tanner Tavares Tâche Teixeira Thaler Thalmann
    Thaqi Théraulaz Thévoz Thiam Thomas Thommen Thöni Tissot Tobler Torrent Torres Touré Tran Traber Troxler Tschanz
    Tschopp Tschudi Uebersax Uldry Ulrich Urfer Valente Varga Vasseur Vaucher Vaz Veillard Veloso Vieira Villiger
    Vögeli Vogt Volery Vonlanthen Vonmoos Vuilleumier Vuille Waeber Walder Walker Walser Walther Wälti Waser
    Wasserfallen Wehrli Weibel Wenger Werlen Wicki Wiederkehr Wieland Wild Willemin Willi Winiger Wirth Wirz Wittwer
    Wolff Wüthrich Würsch Wyler Wyrsch Yilmaz Zahnd Zanetti Zaugg Zbinden Zeller Zellweger Zemp Zenklusen Zgraggen
    Ziegler Zihlmann Zimmerli Zingg Zollinger Zosso Zuber Zufferey Zumstein Zünd Zürcher Zurbriggen Zwahlen Zweifel
    Zwyssig Amsellem Andrieux Auger Bachelet Barbe Baron Barre Barthélemy Bataille Baudoin Becquet Bellanger Benard
    Bénard Benoist Berger Berthelot Besnard Bigot Blanchet Bodin Boisson Bonneau Bordier Bossuet Bouchet Boucher
    Boulet Bourdin Bousquet Boutet Breton Briand Brossard Bruneau Buisson Cadiou Carlier Carpentier Castel Cazeneuve
    Chapelle Charpentier Charrier Chauvin Collet Collin Cordier Cornu Coste Coulon Courtois Cousin Couturier Daniel
    Dubost Delaunay Delmotte Descamps Devaux Didier Doucet Drouet Dubosc Duclos Dujardin Dupré Durieux Duvivier
    Etienne Evrard Ferrand Ferrier Fleury Fouquet Gaubert Geffroy Gérard Gervais Gilbert Gilles Godard Goncalves
    Gosselin Granger Granjon Gros Guéguen Guichard Guillon Guillot Guyot Hamel Hardy Hébert Hervé Hoarau Huet Imbert
    Jacob Jacquet Jacquot Joubert Jourdain Jourdan Julien Klein Labbé Lagarde Laine Langlois Laporte Leblanc Lebon
    Lebreton Lebrun Lefort Léger Legros Lejeune Lelièvre Lenoir Leroux Lesage Letellier Levasseur Lévêque Lopez
    Louis Lucas Maillet Mallet Marchal Maréchal Marion Maury Menard Ménard Merle Monnier Mounier Nicolas Noël
    Normand Ollivier Pages Paris Parent Pascal Pasquier Paul Perez Peron Perrier Perrot Petitjean Philippot Pineau
    Poirier Pons Prévost Prigent Pruvost Quéméner Raymond Regnier Rémy Renault Reynaud Ricard Rigaud Riou Rodier
    Roussel Roy Royer Sabatier Salmon Sauvage Schmitt Seguin Simonet Tanguy Tardy Tellier Tessier Texier Thibault
    Thierry Valette Vallée Vannier Verdier Vernier Verdon Vial Vigneron Voisin Weber Yvon Rossi Russo Ferrari
    Esposito Bianchi Romano Colombo Ricci Marino Greco Gallo Conti Costa Giordano Mancini Rizzo Lombardi Moretti
    Barbieri Fontana Santoro Mariani Rinaldi Caruso Ferrara Martini Martinelli Vitale Bernasconi Fumagalli Cattaneo
    Martin Dubois Durand Lefebvre Girard Dupont Rousseau Faure Mercier Guérin Boyer Garnier Gauthier Perrin Masson
    Duval Dumont Dufour Meunier Giraud Brunet Barbier Vidal Favre Rochat Jaquet Müller Schmid Schneider Meier
    Steiner Fischer Gerber Brunner Moser Widmer Wyss Suter Bachmann Lüthi Schmidt Schäfer Schröder Neumann Krüger
    Hofmann Lehmann Köhler Maier Herrmann Smith Jones Taylor Williams Wilson Johnson Davies Robinson Thompson Evans
    Roberts Jackson Clarke Harris Lewis Turner Cooper Morris Moore Anderson Nguyen Zhang Zhao Zhou Nowak Kowalski
    Novak Popescu Garcia Sanchez Fernandez Rodriguez Gonzalez
    """
) | listed("surnames")

_ENDINGS = re.compile(
    r".{2,}(?:ovic|evic|ic|owski|ewski|inski|ynski|cki|czyk|czak|enko|chuk|escu|oglu|opoulos|akis|shvili|adze|yan"
    r"|ovsky|ovska|ovski|eanu|elli|etti|ucci|uzzi|azzi|ozzi|oni|eschi|aglia|inho|heim|hauser|huber|mueller|muller|bacher"
    r"|inger|iger|egger|meier|meyer|maier|imann|ermann|eau|oux|ault|ouet)"
)
_BEGINNINGS = re.compile(r"(?:mc|mac|o'|ben|bel|bou|ait-|abdel|fitz|d'|le-|dall')[a-z].{3,}")
ORIENTAL = _names(
    """
    Nguyen Tran Pham Huynh Hoang Phan Vuong Dang Bui Duong Truong Dinh Trinh Wang Zhang Zhao Zhou Xu Huang Liu Chen
    Yang Lin Kim Park Choi Jung
    """
)
"""Surnames that stand before the other names."""
MIDDLE = _names("Thi Van Thanh Minh Ngoc Huu Duc Xuan Quang Kim Hong Thu")


def is_surname(folded: str) -> bool:
    """Whether the lists know it, or its form is one that surnames have and words of the four languages rarely."""
    return folded in SURNAMES or (
        len(folded) > 5 and (_ENDINGS.fullmatch(folded) is not None or _BEGINNINGS.fullmatch(folded) is not None)
    )
