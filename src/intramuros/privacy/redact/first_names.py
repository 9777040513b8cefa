"""First names borne in France, Switzerland, Germany, Italy, Britain, and by those who came to live there.

Read by `names`. The published list (`lists`) is added to what stands here. A name outside both is still found by its
title, its greeting, its label or its place in a signature. `AMBIGUOUS` are also words, towns or months: alone they are
no evidence.
"""

from __future__ import annotations

import unicodedata

from intramuros.privacy.redact.lists import listed


def _plain(char: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", char.casefold()) if not unicodedata.combining(c))


_LETTERS = (*range(0xC0, 0x250), *range(0x300, 0x370), *range(0x1E00, 0x1F00))
_PLAIN = {code: _plain(chr(code)) for code in _LETTERS if _plain(chr(code)) != chr(code)}


def fold(word: str) -> str:
    """A word without accents and case, as names are compared."""
    if word.isascii():
        return word.lower()
    return word.casefold().translate(_PLAIN)


def _names(text: str) -> frozenset[str]:
    return frozenset(fold(name) for name in text.split())


FIRST_NAMES = _names(
    """
    Md Mohd Ieuan Bex Ravi Yasemin Tjorven Ilenia Bohdan Bogumila Orsolina Lory Ioan Ifan Iolo Gethin Emyr Aneurin
    Cerys Carys Eluned Bronagh Aoibhinn Caoimhe Eamonn Cormac Fionnuala Deirdre Graham Hamish Struan Mhairi Catriona
    Shona Lorna Beth Becky Jez Gaz Kev Baz Shaz Tash Nkechi Chidi Chioma Emeka Folake Tunde Yemi Sade Kofi Kwabena Akua
    Priyanka Deepak Sanjay Sunil Anil Rajesh Suresh Lakshmi Kavita Pooja Neha Vikram Arjun Rohan Imran Bilal Usman
    Zainab Khadija Farhan Nasreen Oksana Olena Taras Andriy Mykola Iryna Svitlana Volodymyr Oleksandr Bogdan Zbigniew
    Wojciech Wojtek Grzegorz Krzysztof Malgorzata Katarzyna Jadwiga Slawomir Dariusz Jaroslaw Bozena Halina Danuta
    Kastriot Besnik Arben Shpresa Flamur Valbona Drita Mimoza Yusuf Emre Burak Zeynep Elif Ayla Gül Hatice Özlem Serkan
    Tiziana Ornella Ombretta Donatella Mirella Rosanna Assunta Addolorata Concetta Immacolata Gennaro Ciro Pasquale
    Carmine Salvatore Nunzio Agata Rosaria Ivano Loris Denis Moreno Nives Athos Fausto Ettore Fulvio Ermanno Tito
    Henrike Wiebke Imke Antje Silke Heike Elke Maike Swantje Frerk Hauke Eike Fiete Onno Okke Tomke Insa Gesa Urs Reto
    Beat Köbi Ueli Hansueli Ruedi Vreni Vreneli Rösli Ursina Ladina Flurina Seraina Gian Curdin Flurin Corsin Jürg
    Maëlys Lilou Enora Nolwenn Gwenaël Gwenaëlle Soazig Erwan Erwann Ewen Maëlle Tifenn Kilian Ludivine Sylvette
    Ginette Josette Paulette Odette Huguette Bernadette Ghislaine Ghislain Solenn Solène Titouan Malo Loïs Lény
    Aaron Aurora Abdel Abdelkader Abdoulaye Abdul Abigail Achille Achim Ada Adam Adama Adèle Adelheid Adeline Adem
    Adnan Adolphe Adrian Adriana Adriano Adrien Adrienne Afonso Agathe Agnès Agnese Agnieszka Ahmed Ahmet Aïcha
    Aidan Aïssatou Alain Alan Alba Albane Albert Alberto Albin Albrecht Aldo Alejandro Aleksandar Aleksandra Alena
    Alessandra Alessandro Alessia Alessio Alex Alexander Alexandra Alexandre Alexandrine Alexia Alexis Alfonso
    Alfred Alfredo Ali Alice Alicia Aline Alison Alistair Alix Alma Alois Aloïs Alphonse Amadou Amal Amalia Amandine
    Amar Amaury Ambre Amélie Amina Aminata Amir Ana Anaïs Anas Anastasia Anatole Andrea Andréa Andreas Andrée
    Andreea Andrej Andrew Andrin Andrzej Andy Ange Angela Angelina Angélique Angelo Anika Anita Anja Anke Ann Anna
    Annabelle Annalisa Anne Anneke Annelies Anneliese Annemarie Annette Annick Annie Annika Anouk Anselm Anthony
    Antoine Antoinette Anton Antonella Antonia Antonietta Antonin Antonino Antonio António Apolline Archibald Ariane
    Arianna Arielle Aristide Arlette Armand Armando Armelle Armin Arnaud Arne Arno Arnold Arsène Arthur Arturo
    Ashley Astrid Aude Audrey August Auguste Augustin Aurelia Aurélia Aurélie Aurelien Aurélien Aurore Axel Axelle
    Aya Ayşe Aysegül Aziz Barbara Baptiste Barnabé Barry Bartolomeo Basile Bastian Bastien Batiste Béat Beat Beate
    Béatrice Beatrice Beatriz Beatrix Benedetta Benedikt Bénédicte Benito Benjamin Benno Benoît Bérangère Bérénice
    Bernadette Bernard Bernardo Bernd Bernhard Bernice Bert Berta Berthe Bertrand Beth Bettina Betty Bianca Bill
    Birgit Birgitta Björn Blaise Blanche Blandine Bob Bogdan Boris Brahim Brandon Brendan Brenda Brian Brice Bridget
    Brigitte Britta Bronisław Bruno Burak Burkhard Camille Camilla Capucine Carina Carine Carl Carla Carlo Carlos
    Carlotta Carmelo Carmen Carol Carola Carole Carolin Carolina Caroline Carsten Casimir Cassandra Catarina
    Caterina Catherine Cathérine Cathy Cécile Cecilia Cédric Célestin Célestine Célia Céline Cengiz Cesare Chantal
    Charles Charlène Charlie Charlotte Chiara Chloe Chloé Chris Christa Christel Christelle Christian Christiane
    Christina Christine Christof Christoph Christophe Christopher Cindy Claire Clara Clarisse Claude Claudette
    Claudia Claudie Claudine Claudio Claus Clélia Clemens Clément Clémence Clémentine Cléo Clotilde Clovis Colette
    Colin Coline Concetta Connor Conrad Constance Constantin Cora Coralie Corentin Corinna Corinne Cornelia
    Cornelius Corrado Cosima Costanza Craig Cristian Cristiana Cristina Cristiano Curdin Cynthia Cyril Cyrille
    Cyrielle Dagmar Damien Damiano Damir Daniel Daniela Daniele Danièle Danielle Danilo Danny Daphné Dario Darko
    Dave David Davide Dean Deborah Déborah Debora Delphine Denis Denise Deniz Dennis Derek Désirée Detlef Diana
    Diane Didier Diego Dierk Dieter Dietmar Dietrich Dimitri Dina Dino Diogo Dirk Djamel Dolores Dominik Dominique
    Domenico Donald Donatella Donato Doris Dorothea Dorothée Dorothy Douglas Dragan Dragana Duncan Dylan Eberhard
    Eckhard Eddy Edgar Edith Édith Edmond Edmund Edoardo Edouard Édouard Eduard Eduardo Edward Edwige Egon Eileen
    Elena Eleni Eleonora Éléonore Elfriede Eliane Éliane Elia Elias Elif Elijah Élie Elina Eline Élisa Elisa
    Elisabeth Élisabeth Elisabetta Elise Élise Elizabeth Elke Ella Ellen Elliott Élodie Elodie Éloïse Elsa Elsbeth
    Else Elvira Emanuel Emanuela Emanuele Emil Émile Emilia Emilie Émilie Emilien Emilio Emily Emine Emma Emmanuel
    Emmanuelle Emmy Emre Enrica Enrico Enrique Enza Enzo Eric Éric Erica Erich Erik Erika Ermanno Erminia Ernest
    Ernesto Ernst Erwan Erwin Estelle Esteban Esther Étienne Etienne Eugen Eugène Eugenia Eugénie Eugenio Eva Evan
    Evelin Evelina Eveline Evelyn Evelyne Évelyne Ewa Ezio Fabian Fabiana Fabien Fabienne Fabio Fabiola Fabrice
    Fabrizio Fanny Farid Fatih Fatima Fatma Fatou Fatoumata Federica Federico Félicie Félicité Felicitas Felix Félix
    Ferdinand Fernand Fernanda Fernande Fernando Filip Filippo Fiona Fiorella Firmin Flavia Flavien Flavio Flora
    Flore Florence Florent Florentin Florian Floriane Florin Florina France Frances Francesca Francesco Francine
    Francis Francisco Franck Franco François Françoise Frank Franz Franziska Fred Freddy Frederic Frédéric
    Frédérique Frederick Frederik Frida Friederike Friedrich Fritz Gabriel Gabriela Gabriele Gabriella Gabrielle
    Gaël Gaëlle Gaétan Gaetano Gareth Gary Gaspard Gaston Gautier Geneviève Geoffrey Geoffroy Georg George Georges
    Georgette Georgia Georgina Gérald Gerald Géraldine Gérard Gerd Gerda Gerhard Germain Germaine Gernot Gertrud
    Gerti Gervaise Giacomo Gian Gianfranco Gianluca Gianluigi Gianni Gilbert Gilberte Gilda Gilles Gina Ginette Gino
    Giorgia Giorgio Giovanna Giovanni Gisela Gisèle Giulia Giuliana Giuliano Giulio Giuseppe Giuseppina Gladys Glen
    Glenn Gloria Goran Gonzague Gordon Grace Graham Grazia Graziella Greg Grégoire Gregor Gregorio Gregory Grégory
    Greta Gretchen Guido Guillaume Guillemette Günter Günther Gunter Gustav Gustave Guy Gwenaël Gwenaëlle Gwendoline
    Habib Hadrien Hakan Hakim Hamid Hamza Hana Hanna Hannah Hannelore Hannes Hans Hansjörg Hanspeter Hansruedi
    Harald Harold Harriet Harry Hartmut Hasan Hassan Hazel Heather Hedwig Heidi Heike Heiko Heiner Heinrich Heinz
    Helen Helena Helene Hélène Helga Hélio Héloïse Helmut Hendrik Henning Henri Henriette Henrik Henry Herbert
    Hermann Hermine Hervé Hilda Hilde Hildegard Holger Honoré Horst Hortense Houda Hubert Hugo Hugues Hüseyin
    Hussein Ian Ibrahim Ibrahima Ida Ignace Ignazio Igor Ilaria Ilona Ilse Imane Imke Ines Inès Inge Ingeborg Ingo
    Ingrid Ioana Ion Irena Irene Irène Iris Irma Irmgard Isaac Isabel Isabela Isabella Isabelle Isidore Ismaël
    Ismail Issa Ivan Ivana Ivo Ivonne Jack Jacky Jacob Jacopo Jacqueline Jacques Jade Jakob Jamal James Jamie Jamila
    Jan Jana Jane Janet Janice Janine Jannik Jannis Jari Jasmin Jasmine Jason Javier Jean Jeanette Jeanine Jeanne
    Jeannette Jeannine Jeff Jeffrey Jelena Jennifer Jenny Jens Jeremias Jérémie Jeremy Jérémy Jérôme Jessica Jessie
    Jill Jim Jimmy Joachim Joan Joana Joanna Joanne João Joaquim Jocelyn Jocelyne Jochen Joël Joëlle Joel Joerg
    Johan Johann Johanna Johannes John Johnny Jolanda Jonas Jonathan Jordan Jörg Jorge José Josef Josefine Joseph
    Joséphine Josette Joshua Josiane Josselin Josua Joyce Juan Judith Jules Julia Julian Juliana Julie Julien
    Juliette Julius Jürg Jürgen Justin Justine Jutta Kai Kamel Karen Karim Karima Karin Karine Karl Karla Karola
    Karolina Karsten Kaspar Katarina Katarzyna Kate Katerina Katharina Käthe Katherine Kathleen Kathrin Kathy Katia
    Katja Katrin Kay Keith Kelly Kemal Ken Kenneth Kenza Kerstin Kevin Kévin Khadija Khaled Kilian Kim Kirsten Klaas
    Klaus Konrad Konstantin Kristian Kristin Kristina Krystyna Krzysztof Kurt Kyle Laëtitia Laetitia Laila Lambert
    Lamine Lara Larissa Lars Laszlo Laura Laure Lauren Laurence Laurent Laurenz Laurie Laurin Lauriane Lea Léa Leah
    Léandre Leandro Leila Leïla Lena Leni Lennart Léna Leo Léo Leon Léon Leona Leonard Léonard Leonardo Léonie
    Leonie Leonor Leonora Leonhard Léopold Leopold Leslie Leticia Letizia Levin Lia Liam Lidia Liliana Liliane
    Lilian Lilly Lina Linda Line Linus Lionel Lisa Lisbeth Lise Lisette Livia Livio Liza Lloyd Loana Loïc Lola Lore
    Lorena Lorenz Lorenza Lorenzo Loretta Loris Lothar Lou Louane Louis Louisa Louise Luana Luc Luca Lucas Luce
    Lucia Luciana Luciano Lucie Lucien Lucienne Lucile Lucille Lucrezia Lucy Ludivine Ludmila Ludovic Ludovica
    Ludwig Luigi Luigina Luis Luisa Luise Lukas Luna Lutz Luzia Lydia Lydie Lynn Mabel Maddalena Madeleine Madeline
    Madison Maël Maëlle Maëlys Maeva Magali Magda Magdalena Maggie Mahmoud Maik Maïa Maja Malcolm Malick Malik
    Malika Malte Mamadou Mandy Manfred Manon Manuel Manuela Mara Marc Marcel Marcella Marcello Marcelle Marcelline
    Marcin Marco Marcus Mareike Margaret Margarete Margaux Margherita Margit Margot Margrit Marguerite Maria Mariam
    Mariama Marian Mariana Marianna Marianne Marie Mariella Marielle Marietta Marija Marilyn Marina Marine Mario
    Marion Marisa Marissa Marius Marjorie Mark Marko Markus Marlène Marlen Marlene Marlies Marta Martha Marthe
    Martin Martina Martine Marvin Mary Maryam Maryse Massimo Massimiliano Mateo Mathéo Mathias Mathieu Mathilde
    Mathis Mathurin Matilda Matilde Matteo Matthew Matthias Matthieu Mattia Maud Maureen Maurice Mauricette Maurizio
    Mauro Max Maxence Maxim Maxime Maximilian Maximilien Maya Mechthild Medhi Megan Mehdi Mehmet Meike Melanie
    Mélanie Melina Mélina Mélissa Melissa Mercedes Mia Michael Michaël Michaela Michał Michel Michela Michele
    Michèle Micheline Michelle Miguel Mika Mike Mila Milan Milena Miloš Mina Mira Miranda Mireille Miriam Mirjam
    Mirko Miroslav Mohamed Mohammed Moïse Mona Monica Monika Monique Morgane Moritz Morris Moussa Mouna Muriel
    Murielle Mustafa Mustapha Myriam Nabil Nada Nadège Nadia Nadine Nadir Nadja Naima Nancy Naomi Natacha Natalia
    Natalie Natascha Nathalie Nathan Nathanaël Neal Neil Nele Nelly Nevena Nicholas Nick Nicola Nicolas Nicole
    Nicoletta Nicolò Niels Nigel Nikita Niklas Niklaus Nikola Nikolai Nikolaus Nils Nina Nino Noa Noah Noé Noël
    Noëlle Noelia Noemi Noémie Nora Norbert Norma Norman Nour Nuno Octave Octavie Odette Odile Odilon Olaf Oleg Olga
    Oliver Olivia Olivier Olympe Omar Ophélie Oriane Orlando Ornella Orsola Oscar Oskar Osman Ottavia Ottmar Otto
    Oumar Ousmane Ozan Paloma Pamela Paola Paolo Pascal Pascale Pasquale Patrice Patricia Patricio Patrick Patrizia
    Patrizio Patrik Paul Paula Paule Paulette Paulina Pauline Paulo Pedro Peggy Penelope Pénélope Percy Perrine
    Peter Petra Petros Phil Philip Philipp Philippa Philippe Philomène Pia Piera Pierre Pierrette Piero Pierrick
    Pietro Pilar Pina Piotr Priscilla Priska Prosper Quentin Rachel Rachid Rachida Radu Raffaele Raffaella Rafael
    Raimund Rainer Ralf Ralph Ramon Ramona Ramón Raoul Raphael Raphaël Raphaëlle Rashid Raul Ray Raymond Raymonde
    Rebecca Rébecca Regina Régine Régis Regula Reiner Reinhard Reinhold Remi Rémi Rémy Remo Rena Renata Renate
    Renato Renaud René Renée Reto Rhys Riccardo Ricardo Richard Ricarda Rita Robert Roberta Roberto Robin Rocco Roch
    Rodolfo Rodolphe Rodrigo Rodrigue Roger Roland Rolande Rolf Romain Romaine Roman Romana Romane Romano Romeo
    Roméo Romy Ron Ronald Ronny Rosa Rosalia Rosalie Rosanna Rosario Rose Roseline Rosemarie Rosemary Rosie Rosina
    Rosita Ross Rosmarie Roxane Roy Ruben Rudi Rudolf Rudolphe Rudy Ruedi Rui Ruth Ryan Saba Sabina Sabine Sabrina
    Sacha Saïd Saida Salim Salima Sally Salma Salomé Salvatore Sam Samia Samir Samira Samuel Samuele Sandra Sandrine
    Sandro Santiago Santo Sara Sarah Sascha Saskia Saverio Savannah Scott Sean Sebastian Sébastien Sebastiano
    Ségolène Selim Selina Selma Serafina Serena Sergej Serge Sergio Séverin Séverine Severin Shirley Shannon Sharon
    Sheila Sibylle Siegfried Sigrid Silas Silja Silke Silvana Silvia Silvie Silvio Simon Simona Simone Simonetta
    Sina Siméon Sinan Sixtine Slobodan Sofia Sofie Solange Solène Sonia Sonja Sophia Sophie Soraya Souleymane
    Spencer Stanislas Stanley Stefan Stefania Stefanie Stefano Steffen Stella Stéphane Stephan Stephanie Stéphanie
    Stephen Steve Steven Stuart Sue Susan Susana Susanna Susanne Suzanne Suzette Svea Sven Svenja Svetlana Sylvain
    Sylvaine Sylvester Sylvia Sylvie Sylviane Sylvestre Tamara Tania Tanguy Tanja Tara Tatiana Tatjana Ted Téo
    Teresa Terence Terry Tess Tessa Thaïs Théa Thea Theo Théo Theodor Théodore Theodora Théophile Theresa Thérèse
    Therese Thibault Thibaut Thibaud Thiago Thierry Thilo Thomas Thorsten Tiago Tiffany Till Tim Timo Timothée
    Timothy Tina Tiziana Tiziano Tobias Tom Tomas Tomasz Tommaso Toni Tony Torsten Tracy Trevor Tristan Udo Ueli Ugo
    Ulf Ulla Ulrich Ulrike Umberto Urs Ursula Uta Ute Uwe Valentin Valentina Valentine Valeria Valérie Valerie
    Valerio Vanessa Vasco Vera Véra Verena Véronique Veronica Veronika Vianney Vicente Vicky Victor Victoire
    Victoria Viktor Viktoria Vincent Vincente Vincenzo Viola Violette Violaine Virginia Virginie Vito Vittoria
    Vittorio Viviana Viviane Vivien Vivienne Vladimir Volker Waltraud Walter Walther Wanda Wayne Wendy Werner Wibke
    Wiebke Wilfried Wilhelm William Willi Willy Winfried Winston Wolfgang Wolfram Xavier Xavière Yaël Yann Yanis
    Yannick Yannis Yasmin Yasmina Yasmine Youssef Yohan Yolande Yolanda Youcef Yusuf Yvan Yves Yvette Yvon Yvonne
    Zachary Zacharie Zahra Zaynab Zeynep Zineb Zoé Zoe Zoran Zoltan Nguyen Linh Minh Thanh Wei Ming Hiroshi Yuki
    Priya Anil Sanjay Ravi Deepak Arjun Lakshmi Olena Oksana Dmytro Volodymyr Andriy Yulia Iryna Natalya Tetiana
    Besnik Arben Fatmir Valon Arta Liridona Blerim Dušan Nenad Zlatko Branka Snežana Ljiljana Vesna Biljana Jasna
    Mirjana Amadeo Eneko Iñigo Xabier Jordi Montserrat Joaquín Tomás Inês Sílvia Fátima Conceição Aleksander Jakub
    Wojciech Małgorzata Zofia Barbora Tereza Jiří Petr Pavel Ondřej Zdeněk Lukáš Eszter Gábor István Katalin Tamás
    Zsuzsanna Georgi Dimitar Ivaylo Mircea Vasile Gheorghe Ionut Mihai Raluca Cristi Simion Yiannis Nikos Dimitris
    Kostas Tiphaine Rayan Bertille Kasimir Roswitha Yetunde Ngozi Tifany Enora Lilou Louna Maïwenn Nolwenn Soizic
    Yohann Ewen Malo Titouan Noham Ilyes Ilyas Bilal Anis Nassim Sofiane Sofian Walid Yassine Zakaria Hicham Tarek
    Leïa Inaya Assia Naïma Hayat Latifa Nawal Siham Souad Zohra Djamila Ghislaine Maryvonne Réjane Rosine Aloyse
    Wendelin Edeltraud Gudrun Hiltrud Irmtraud Liselotte Lieselotte Marlis Margarethe Sieglinde Walburga Gottfried
    Burkhart Detlev Eckart Ekkehard Friedhelm Gerold Guntram Hansueli Köbi Käthi Vreni Rösli Annamarie Seraina
    Ladina Flurina Jachen Ursina Corsin Remigius Gaudenz Brunella Catia Cinzia Daria Fausto Fulvio Gerardo Gilberto
    Katiuscia Loredana Mirella Morena Ottorino Pierangelo Pierluigi Rosalba Rossella Rossana Tarcisio Ulisse Vinicio
    Wilma Alastair Angus Beverley Callum Caspian Clive Darren Declan Eleanor Ewan Fergus Gavin Gemma Hamish Imogen
    Isla Jodie Kirsty Lachlan Leanne Lorna Lynne Maisie Niamh Oisín Padraig Phoebe Rhiannon Roisin Rory Rowena
    Ruairi Saoirse Shaun Sheena Siobhan Sinead Winifred Zara Adaeze Ayodele Babajide Chiamaka Chidi Chioma Emeka
    Funmilayo Ifeoma Kwesi Nkechi Obinna Olumide Temitope Abena Akosua Adjoa Giorgos Fiorenza Pirmin Traudl
    Oluwaseun Chinedu Kwame Kofi Ousseynou Thi Abdallah Abdelaziz Abdelhak Abdelhamid Abdelkrim Abdellah Abdelmalek
    Abderrahim Abderrahmane Abdou Achraf Adel Adelaïde Adélaïde Adila Adja Adonis Aénor Afaf Agostino Agron Ahlem
    Ahmad Aïda Aimée Aimé Ainhoa Akim Albana Alban Alberta Albertine Alceste Alda Alexane Alexei Alexey Alfonsina
    Alida Aliou Alioune Alphonsine Altin Alvaro Álvaro Alžběta Amadeus Amara Amedeo Amel Amelia Amelie Amine Amira
    Amélia Anabela Anastasie Anatol Andi Andris Aneta Ángel Angèle Ange-Marie Anh Anila Anisa Anissa Anna-Maria
    Annamaria Annarita Annelise Annelore Annunziata Anouar Anouchka Ansgar Antje Antonius Anouck Aram Ardit Ardian
    Arditë Argjend Ariel Arif Arlind Armend Artan Artemis Artur Arturs Asma Asmae Assane Assunta Astou Athos Attila
    Aude-Marie Augusta Augustine Augustino Aurelio Ava Avni Awa Aymen Aymeric Ayoub Azra Bachir Bafodé Bajram
    Balthasar Baptista Bartosz Barthélemy Bartłomiej Bashkim Bassirou Bastienne Béla Belinda Belkacem Benedetto
    Benoîte Berat Berkan Besart Besim Bettino Binta Birgül Birte Björk Blerta Boban Bojan Bonifaz Boubacar Bouchra
    Branko Brankica Brigitta Brigida Bronwyn Brunhilde Burim Caio Calogero Camélia Candice Carlota Carmela Carmine
    Carolyn Casimiro Cassandre Cataldo Céleste Cemal Cenk Césaire César Charly Cheikh Chaïma Chahinez Chafik Cherif
    Chérif Chokri Chrystelle Ciro Claudiane Clelia Clelio Cléa Cleophea Constanza Corine Cosimo Cyprien Dacian
    Dagobert Dalila Damaris Danica Danuta Daouda Dardan Dariusz Darnell Dejan Delia Demetrio Denisa Diamantino
    Diarra Dieudonné Dijana Dilara Dimitrios Djeneba Djibril Dolorès Domenica Dominika Donatien Donika Dorian
    Doriane Drago Driss Drita Duarte Duc Dursun Dwayne Edda Edin Edina Edita Edna Efstathios Ekrem Elda Eleonore
    Élina Elio Éliott Eliott Elma Elmar Éloi Elona Elvis Émeline Emeline Emerich Emina Emir Endrit Enea Engelbert
    Enis Ennio Eraldo Ercole Erjon Ermelinda Ermes Erwann Esma Esmeralda Ettore Euridice Eusebio Evangéline Evaristo
    Éveline Fabrizia Fadila Fadma Fahd Faiza Faïza Falk Fanta Farès Farida Faruk Fathi Fatos Faustine Fédéric Femi
    Ferdinando Ferhat Feriel Ferruccio Fiammetta Filipa Filipe Filippa Filomena Fioralba Fitim Flamur Flavie Fleur
    Fodé Franca Fredy Fridolin Frieder Fulvia Gaetana Gail Gatien Gavino Gennaro Genevieve Gentiana Gerlinde Gervais
    Gesa Ghita Ghizlane Giacinto Giacomina Giada Gianna Gioele Giosuè Gizem Godefroy Godi Gonçalo Gordana Gottlieb
    Grażyna Grazyna Grzegorz Gualtiero Guiseppe Gülay Gülsen Günay Gwenola Gwénolé Hadja Hafida Hafsa Hajar Halil
    Halima Halina Hanane Hanh Hansjakob Haris Hatice Hatem Hedy Heidrun Hekuran Henrike Henryk Heribert Herta Hichem
    Hind Hippolyte Hocine Houria Huong Idris Idrissa Idriss Ikram Ilda Ildikó Ilhan Ilias Ilir Ilham Iljaz Imad Imre
    Inés Iolanda Irina Isaline Ismaïl Ismet Italo Ivica Iwona Jacinta Jacint Jaime Jalila Janina Janusz Jaroslav
    Jarosław Jasmina Jawad Jeton Jihane Joakim Jolanta Joris Joseline Josip Josipa Jovan Jovana Judicaël Juliane
    Julijana Jurgen Justyna Kaan Kader Kadiatou Kamal Kamila Karina Karl-Heinz Kateryna Kenan Khadim Khadidja Khalid
    Kheira Kinga Klara Klaudia Klemens Kornelia Krista Kübra Kujtim Kushtrim Lahcen Laïla Lakhdar Lamia Lana Landry
    Lassana Latif Laurane Laureline Laurène Laurianne Lavinia Layla Lazar Leandra Léane Leszek Lídia Liridon Ljubica
    Loan Loïs Lotte Loubna Loup Lubna Lúcia Lucian Lucilla Ludmilla Luís Luka Luljeta Lulzim Lylia Lyes Maciej Mady
    Magalie Mahamadou Mahdi Malek Malgorzata Marceline Marcelo Marek Mariane Mariano Maribel Marie-Laure Marijana
    Marijan Marika Marilena Marilyne Marita Mariusz Marjolaine Marwan Marwa Matéo Mateus Mateusz Matías Mathilda
    Maura Maurane Meilin Mélodie Memet Mensah Meriem Meret Merima Meriton Merve Mesut Meryem Messaoud Mihaela Mikael
    Mikaël Milica Miljan Milos Milorad Mimoun Mirosława Miroslava Misael Mladen Modeste Moez Mohamad Mohammad
    Mokhtar Momčilo Monia Morad Mostafa Mouhamed Mouloud Mounia Mounir Mourad Muamer Muhamed Muhamet Muhammad
    Muharrem Murat Mylène Nacer Nadim Naim Naïm Najat Najib Naoual Narcisse Natália Nebojša Necati Nedim Nehemie
    Nevio Nevenka Ngoc Nicodème Nicoleta Nicolette Niko Nikhil Nilgün Noël-Marie Noémi Norah Nordine Noureddine
    Nuria Nunzia Nusret Océane Octavia Odalys Ognjen Ömer Oktay Oleksandr Ombeline Ombretta Orazio Oreste Orianne
    Otmar Othman Othmane Ottavio Ottilie Ouassim Ouiam Oumou Özgür Özlem Palmira Panagiotis Papa Paweł Pelagia Petar
    Petronella Philibert Pierina Placide Poliana Predrag Prisca Priyanka Prudence Qendrim Quirin Rabah Rabia Radmila
    Radoslav Rafał Rafaela Rahel Rahim Rahma Raïssa Raja Rajesh Ramadan Ramazan Ramiz Rania Ranka Ranko Raquel Rasim
    Ratko Recep Reda Réda Refik Reinhild Renzo Rexhep Riad Rico Riyad Romaric Ronja Rosalind Rosaria Rosetta Rubén
    Ruslan Rustem Saad Sabah Sabri Sadio Safia Said Saïda Sakina Saliha Salif Salvador Samanta Samantha Sanela Sanja
    Sanna Santina Saša Sasha Selin Senad Séraphin Séraphine Serafino Servane Sevgi Sezen Shaban Shirin Shkelzen
    Shpend Shpresa Sibel Sidonie Siegmund Siegrid Silvan Silvano Simão Siro Sivakumar Slavica Sladjana Sokol Soledad
    Soline Soufiane Souhaila Soumaya Stéfan Stanislav Stanisław Stjepan Stojan Suzana Swen Sylvette Szymon Tabea
    Taha Tahar Tancredi Tariq Tarik Tasha Teodora Térésa Thaddeus Thekla Théodora Thu Tiana Tibor Timéo Tito Tolga
    Tomáš Tonino Tuan Tuğba Tunde Tung Ubaldo Uğur Umut Ursulina Valbona Valdemar Valdrin Valérian Valériane Vanda
    Vasiliki Vérane Victorine Victorien Vilson Vincenza Violeta Virgilio Visar Vitalie Vivian Vjosa Vladan Vlasta
    Vojislav Volkan Waldemar Wassim Wassila Wioletta Wolf Xhevat Yacine Yael Yan Yasin Yassin Yildiz Ylenia Ylli
    Younes Younès Youssouf Ysaline Zahia Zaïa Zdenka Zdravko Zeinab Zeïneb Zeljko Željko Ziad Zoltán Zorica Zouhair
    Zuzana Zuzanna Zvonimir Thiemo Babak Desmond Darrell Leroy Tyrone Latoya Keisha Sunil Vijay Anjali Kavita Neha
    Pooja Rohit Amit Aditi Meera Suresh Ramesh Mahesh Ganesh Chandra Nisha Farah Aisha Ayesha Imran Usman Bilqis
    Zainab Khadeeja Salman Kamran Faisal Nadeem Kenji Sakura Akira Haruka Takeshi Naoko Jing Xiaoming Yifan Mei Hui
    Jin-woo Minjun Seojun Mykola Nataliya Serhiy Ekaterina Yekaterina Dmitri Dmitry Sergei Sergey Anatoly Galina
    Ludovico Tadeo Zsófia László Ferenc Ágnes Zsolt Csaba Radka Lenka Markéta Hedvika Aoife Ciara Eoin Cormac
    Deirdre Gráinne Maeve Orla Tadhg Rosamund Cedric Clifford Clement Dominic Gerard Horace Humphrey Ignatius Jasper
    Mortimer Nathaniel Rupert Silvester Tristram Vernon Wilfred Millicent Beryl Doreen Enid Gwyneth Hilary Ivy
    Mildred Mavis Myrtle Olwen Phyllis Thelma Verity Wilhelmina Kayleigh Shanice Jermaine Marlon Delroy Leighton
    Tyrell Yaw Esi Efua Ama Kojo Kwabena Sekou Ibou Modou Ndeye Seydou Bintou Djénéba Hawa Kadidia Mariétou
    Nafissatou Rokhaya Salimata Sira Sokhna Tidiane Yacouba Célio Fábio Flávio Hélder Inácio Ivone Josué Lurdes
    Márcio Nélson Otília Raúl Rúben Sónia Telmo Vítor Ingolf Timur Bekim Bartholomew Wojtek Percival Noura Soo-jin
    Swami Rufus Gwen Lesley Ottoline Dhruv Carys Stellan Egbert Hinrich Ingbert Jörn Jost Knut Ludger Marten Meinrad
    Ortwin Ottokar Rainald Reimund Rüdiger Sebald Sönke Tilman Tilmann Traugott Utz Veit Wendel Winrich Xaver Almut
    Annegret Babette Bärbel Brunhild Christl Erdmute Frauke Friedlinde Heidemarie Hella Ingeburg Irmela Kunigunde
    Liesel Margret Mechtild Notburga Roselore Sieglind Telse Theda Thusnelda Trudi Alcide Aldobrando Ambrogio
    Amerigo Ampelio Anacleto Angelica Annibale Arduino Armida Arnaldo Attilio Battista Beniamino Biagio Bonaventura
    Calogera Camillo Carmelina Cesira Clorinda Cosetta Costantino Crescenzo Crocifissa Delfina Desideria Egidio
    Elettra Elide Eliseo Ersilia Eufemia Fedele Ferdinanda Filiberto Fortunato Gaspare Gerolamo Gervasio Gianpaolo
    Giampaolo Giampiero Giancarlo Giandomenico Gianfilippo Gianmarco Gianpiero Gioacchino Giosetta Guglielmo Iginio
    Ilario Iole Ladislao Lamberto Lanfranco Leopoldo Licia Lodovico Loredano Lorella Manlio Mafalda Marilisa Marzia
    Melchiorre Michelangelo Milva Nazzareno Nello Nereo Nevia Nicolina Norberto Nunziata Omero Onorina Osvaldo
    Palmiro Pancrazio Pasqualina Pierfranco Raimondo Remigio Rinaldo Romilda Romolo Rosangela Rosolino Rufino
    Sabatino Santino Settimio Severino Sigismondo Silverio Siria Tarquinio Teodolinda Tommasina Tranquillo Tullio
    Umbertina Valter Vanna Velia Vilma Virgilia Vitaliano Zaira Zeno
    """
) | listed("first_names")

_WORDS_TOO = _names(
    """
    Darcy Orin Manca
    Abby Amato Azzurra Barney Bertha Bobby Cassio Celestino Cesario Christer Concepcion Cosmo Daisy Damon Davor
    Delphin Despina Dexter Dolly Donny Dorina Eliana Emilian Emiliano Ethan Eustache Fabiano Faustina Felicity Ferid
    Feride Fidel Finn Fiordaliso Fosco Fraser Giacomino Ginevra Ginny Giordana Giordano Hector Hilaire Imelda Indira
    Inger Jacquot Jock Jojo Kasper Kenny Kitty Lester Lexi Lexie Lian Liana Lino Logan Loulou Lourdes Lulu Luther
    Mads Maire Marga Matty Medina Merlin Mick Mickey Micky Mikey Montgomery Murray Naheed Naveed Nazir Nestor
    Nicodemo Nigella Ninon Olimpia Olive Ollie Olmo Oriana Oriol Paddy Pascaline Patience Patsy Peregrine Pierrot
    Piet Pieter Poppy Poul Primrose Prudent Quincy Quintino Raj Rasa Ricky Rishi Rosy Rune Salvatrice Salvo Satoshi
    Saul Sawyer Sayed Serap Sereno Shelly Sian Sibilla Signe Soave Solly Sonal Soner Spartaco Stellan Sultan Taner
    Tecla Tiberio Tilly Tito Tommi Tommy Toussaint Tricia Trine Undine Urbano Ursin Valery Vally Vered Vespasiano
    Vincenzina Vitoria Wenzel Xenia Yared Zander Zephyr
    """
)
"""First names that are words too, or that prose writes small."""
FIRST_NAMES |= _WORDS_TOO

AMBIGUOUS = _WORDS_TOO | _names(
    """
    Alba Alma Ange Aurore August Auguste Austin Barry Beat Bill Blanche Carmen Charlotte Claire Colin Constance Dean
    Diane Dolores Ella Else Ernst Félicité Flora Flore Florence France Frank Franco Georgia Gloria Grace Grazia
    Hazel Honoré Ion Iris Issa Jade Jan Jordan Julius Juli Kate Kay Kai Ken Line Lise Lloyd Lore Lou Luce Luna Luz
    Madison Mara Mark Marine Martin Max Mercedes Mina Mira Miranda Morris Nancy Nino Noa Noël Norman Octave Olympe
    Pascal Paule Percy Pierre Pilar Pina Prosper Ralph Ray Roch Roman Romane Romano Ron Rosa Rose Rosario Ross Sam
    Santiago Santo Savannah Sina Sofia Sol Stella Sue Till Una Valentine Victoire Victoria Viola Violette Virginia
    Vito Wei Will Ming Saba Heather Neal Nada Rocco Tara Selma Basile Julia Claude Ada Alexa Lambert Milan Papa Wolf
    Santina Mensah Prudence Fleur Loup Ivy Verity Clement Victorien Modeste Mei Hui Ama Esi Hana Thu Duc Ngoc
    Mariana Placide Céleste Ariel Raja Maja Aurelia Mika Lana Lara Ava Amara Orlando Adonis Colombe Diana Baptista
    Attila Sara Chandra Cosima Felicitas Salvador Justin Prisca Fortuna Aurora Malte Clémentine Hind Said Andi Toni
    Silva Avni Drago
    """
)
