"""Words with a capital whose letters are like a name's and that are none.

Languages, peoples, what opens a sentence or a line of a form, towns, firms and products.

Read by `strangers`.
"""

from __future__ import annotations

from intramuros.privacy.redact.first_names import fold

COMMON = frozenset(
    fold(word)
    for word in """
    English French German Italian Spanish Arabic Czech Dutch Danish Finnish Greek Polish Russian Turkish
    Swedish Welsh
    Irish Scottish British American Belgian Swiss Austrian Kenyan Indian Chinese Japanese Portuguese Romanian
    Ukrainian
    Serbian Croatian Albanian Hungarian Norwegian Latin Hebrew Korean Vietnamese Thai African European Asian
    Canadian
    Deutsch Englisch Französisch Italienisch Spanisch Türkisch Albanisch Schweizer Deutsche Français Anglais
    Allemand
    Italien Espagnol Suisse Romeno Inglese Tedesco Francese Italiano Spagnolo Svizzero Albanese Kosovare
    Alpha Beta Gamma Delta Feel Help Chat Raises Mapping Passages Tool Tools System One Two Three Ctrl Xeon Root
    Pay Dad
    Mum Buyer Senior Junior Chair Engineer Hill Gas Scan Root Can Could Would Will May Might Shall Do Did Have
    Had Was Were
    Same Good Great Nice Sorry Hope Happy Sure Okay Fine Still Just Even Maybe Perhaps Again Next Last First
    Second Third
    Total Tax Fee Fees Rent Lease Flat Floor Room House Home Door Key Keys Gate Hall Kitchen Garden Car Van Bike
    Bus Train
    Ticket Order Item Items Unit Units Parts Labour Labor Hours Days Weeks Month Months Year Years Time Day Week
    Action
    Early Late Night Morning Evening Shift Rota Team Class School Nurse Sister Brother Mother Father Uncle Aunt
    Grandma
    Grandad Granny Nan Kid Kids Baby Boy Girl Man Men Woman Women Crew Job Boiler Test Drive Front Back Left
    Right
    Clinic Ward Bed Dose Pain Blood Heart Lungs Bloods Scan Review Plan Mail Letter Note Notes Noted Agreed
    Approved Paid
    Urgent Private Public Open Closed Done Todo Minutes Item Motion Carried Vote Votes Budget Roof Playground
    Cakes Flyer
    Domani Oggi Ieri Adesso Ora Poi Allora Intanto Dopo Prima Carta Paga Saldo Chiuso Aperto Laurea Tecnica
    Garanzia
    Magazzino Mattina Sera Notte Pomeriggio Giorno Turno Cambio Cucina Bagno Camera Casa Porta Chiave Chiavi
    Scala Tetto
    Piano Cantina Giardino Auto Moto Treno Gita Festa Torta Torte Pallone Maestra Maestro Mamma Papà Nonno Nonna
    Zio Zia
    Bozza Lista Conto Conti Spesa Spese Prezzo Prezzi Fatto Firma Nota Visita Terapia Cura Dolore Sangue Cuore
    Esame
    Innanzi Attinenza Attinente Patente Targa Danni Danno Perizia Prova Ritiro Consegna Consegne Ordine Officina
    Secondo Terzo Ultimo Ultima Nuova Bella Bello Buona Buono Ottima Ottimo Certo Certa Vale Volta Sala Corso
    Pratica Rata
    Matin Soir Nuit Midi Demain Hier Lac Forêt Bois Mer Montagne Salle Maison Porte Clé Clés Toit Cave Jardin
    Voiture
    Moto Vélo Train Classe Maîtresse Maman Papa Papi Mamie Tonton Tata Vitale Pose Dépose Essai Retrait Essais
    Motif Bilan
    Relève Équipe Équipage Ordre Facture Prix Frais Devis Loyer Bail Cour Vote Budget Selon Gare Bureau Accueil
    Chantier
    Rien Personne Quelqu'un Chacun Certains Plusieurs Beaucoup Peu Trop Assez Encore Déjà Toujours Jamais
    Parfois Ensuite
    Désolé Désolée Bravo Super Parfait Bises Bisous Voiture Moulin Lot Lots Page Pages Ligne Copie Série Mode
    Zone Date
    Klinik Sieg Kellner Scan Mietbeginn Habe Hast Hätte Wäre Würde Kommst Gehst Machst Weisst Weißt Gibt Gab
    Wurde Wurden
    Früh Spät Nacht Morgen Abend Mittag Schicht Küche Bad Keller Garten Haus Tür Tor Dach Zimmer Wohnung Auto
    Bahn Schule
    Klasse Lehrer Mama Papa Opa Oma Onkel Tante Kinder Kind Baby Bub Mann Frau Leute Alle Alles Niemand Jemand
    Jeder
    Einige Viele Wenige Etwas Nichts Immer Nie Oft Manchmal Vielleicht Leider Gern Gerne Sicher Klar Genau
    Super Sorry
    Gruss Gruß Termin Frage Antwort Antrag Budget Kasse Miete Lohn Preis Kosten Stunde Stunden Tag Tage Woche
    Monat Jahr
    Teil Teile Arbeit Arbeitszeit Material Auskunftsperson Auskunft Bericht Befund Diagnose Blut Herz Schmerz
    Therapie
    Vielen Herzlichen Lieben Aktuar Nachfolger Upstream Kleiner Grosser Venez Mandat Copia Led Écrire Kläger
    Beklagte Kreisel Kuchen Nord Süd Ost West
    License Check Now Summer Alert Base Servizio Orthopädie Rendez-vous
    Unterlagen Kopie Anlage Anlagen Beilage Beilagen Skizze Plan Pläne Liste Listen Laut Gemäss Rapport Einsatz
    Aufgabe
    Aarau Aarburg Adliswil Aigle Airolo Altdorf Altstetten Amriswil Appenzell Arbon Arosa Ascona Avenches Baar
    Baden
    Balerna Bassersdorf Bellinzona Biasca Bülach Buchs Bulle Burgdorf Carouge Cham Chiasso Chur Courrendlin
    Davos
    Delémont Dietikon Dübendorf Ebikon Echallens Einsiedeln Emmen Emmenbrücke Engelberg Epalinges Estavayer
    Frauenfeld Gland Glarus Gossau Grenchen Grindelwald Heerbrugg Herisau Hinwil Horgen Horw Interlaken Ittigen
    Kloten Köniz Kreuzlingen Kriens Küsnacht Lancy Langenthal Laufen Lenzburg Liestal Littau Locarno Losone
    Lugano
    Lyss Martigny Massagno Meilen Mendrisio Meyrin Minusio Monthey Montreux Morges Moutier Muri Muttenz
    Neuenburg
    Nidau Nyon Oberwil Oensingen Oerlikon Olten Onex Opfikon Orbe Ostermundigen Payerne Pfäffikon Porrentruy
    Pratteln Prilly Pully Rapperswil Regensdorf Reinach Renens Rheinfelden Riehen Romanshorn Rorschach Sargans
    Sarnen Schlieren Schwyz Sierre Sion Solothurn Spreitenbach Stans Stäfa Steffisburg Sursee Thalwil Thun Uster
    Uzwil Vernier Versoix Vevey Villars Volketswil Wädenswil Wallisellen Wettingen Wetzikon Wil Winterthur
    Wohlen
    Yverdon Zermatt Zofingen Zollikofen Zollikon Aachen Augsburg Bamberg Bayreuth Bielefeld Bochum Bottrop
    Braunschweig Bremerhaven Chemnitz Cottbus Darmstadt Dessau Detmold Dortmund Duisburg Düren Erfurt Erlangen
    Esslingen Flensburg Fulda Fürth Gelsenkirchen Gera Gießen Göppingen Görlitz Göttingen Greifswald Gütersloh
    Hagen
    Halle Hamm Hanau Heidelberg Heilbronn Herford Hildesheim Ingolstadt Iserlohn Jena Kaiserslautern Karlsruhe
    Kassel Kempten Koblenz Konstanz Krefeld Landshut Leverkusen Lübeck Ludwigsburg Lüneburg Magdeburg Marburg
    Minden
    Moers Mülheim Münster Neuss Oberhausen Offenbach Oldenburg Osnabrück Paderborn Passau Pforzheim Plauen
    Potsdam
    Ravensburg Recklinghausen Regensburg Remscheid Reutlingen Rheine Rosenheim Rostock Saarbrücken Salzgitter
    Schweinfurt Schwerin Siegen Solingen Stralsund Trier Tübingen Ulm Velbert Villingen Wiesbaden Wilhelmshaven
    Witten Wolfsburg Worms Wuppertal Würzburg Zwickau Graz Linz Salzburg Innsbruck Klagenfurt Villach Bregenz
    Dornbirn Aix Ajaccio Albi Amiens Angoulême Annemasse Antibes Arles Arras Aurillac Auxerre Avignon Bayonne
    Beauvais Belfort Béziers Biarritz Blois Bobigny Boulogne Bourges Cannes Carcassonne Chalon Chartres
    Cherbourg
    Clermont Cluses Compiègne Créteil Dax Dieppe Digne Douai Dunkerque Épinal Évreux Évian Évry Ferney Fréjus
    Gap
    Grasse Guéret Hyères Laval Lens Libourne Lorient Lourdes Mâcon Melun Menton Meaux Montauban Montluçon
    Montreuil
    Moulins Nanterre Narbonne Nevers Nîmes Niort Orléans Pantin Pau Périgueux Poitiers Pontarlier Pontoise
    Quimper
    Roanne Rodez Roubaix Saintes Sarcelles Sète Soissons Tarbes Thonon Thionville Toulon Tourcoing Troyes
    Valence
    Vannes Verdun Versailles Vesoul Vichy Vierzon Villeurbanne Vincennes Vitry Agrigento Alessandria Ancona
    Aosta
    Arezzo Asti Avellino Belluno Benevento Biella Bolzano Brindisi Busto Cagliari Caserta Catania Catanzaro
    Chieti
    Cosenza Cremona Crotone Cuneo Domodossola Empoli Faenza Ferrara Foggia Forlì Frosinone Gallarate Gorizia
    Grosseto Imola Imperia Lecce Lecco Livorno Lodi Lucca Luino Macerata Mantova Matera Messina Monza Novara
    Nuoro
    Oristano Perugia Pesaro Pescara Piacenza Pisa Pistoia Pordenone Potenza Prato Ragusa Ravenna Reggio Rieti
    Rimini
    Rovigo Salerno Sassari Savona Siena Siracusa Sondrio Taranto Teramo Terni Trapani Trento Treviso Udine
    Verbania
    Vercelli Viareggio Vicenza Viterbo Aberdeen Barnsley Basingstoke Belfast Birkenhead Blackpool Bolton
    Bournemouth
    Bradford Brighton Bromley Burnley Cambridge Canterbury Cardiff Carlisle Chelmsford Cheltenham Chester
    Chesterfield Colchester Cork Coventry Crawley Croydon Darlington Derby Doncaster Dundee Durham Eastbourne
    Exeter
    Galway Gateshead Gloucester Grimsby Guildford Halifax Harlow Harrogate Hastings Hereford Huddersfield Hull
    Inverness Ipswich Kilkenny Lancaster Leicester Limerick Lincoln Luton Maidstone Middlesbrough Newcastle
    Newport
    Northampton Norwich Nottingham Oldham Oxford Perth Peterborough Plymouth Poole Portsmouth Preston Reading
    Rochdale Rotherham Salford Salisbury Scarborough Sheffield Shrewsbury Sligo Slough Solihull Southampton
    Southend
    Southport Stafford Stevenage Stirling Stockport Sunderland Swansea Swindon Taunton Telford Torquay Tralee
    Wakefield Walsall Warrington Waterford Watford Wexford Wigan Winchester Woking Wolverhampton Worcester
    Worthing
    Wrexham Microsoft Google Amazon Apple Samsung Siemens Bosch Renault Peugeot Citroën Volkswagen Mercedes
    Toyota
    Honda Hyundai Skoda Opel Fiat Migros Coop Denner Aldi Lidl Carrefour Leclerc Auchan Intermarché Monoprix
    Franprix Esselunga Conad Tesco Sainsbury Waitrose Asda Swisscom Sunrise Salt Helvetia Axa Allianz Generali
    Mobiliar Baloise Groupama Maif Macif Postfinance Raiffeisen Kubernetes Grafana Terraform Postgres Redis
    Kafka
    Nginx Debian Ubuntu Fedora Jira Confluence Notion Trello Figma Salesforce Shopify Stripe Twint Paypal
    Netflix
    Spotify Whatsapp Telegram Instagram Facebook Linkedin Youtube Tiktok Ikea Decathlon Nestlé Novartis Roche
    Lonza
    Ricola Lindt Logitech Sulzer Stadler Schindler Geberit
    """.split()  # noqa: SIM905
)
