"""The words of the talking faces: one row a meaning, one column a language.

Many words are chosen because they look alike on the lips: bear, pear and mare; sea, tea and knee;
Tina, Dina and Nina in every language; poule, boule and moule; luna and duna.
"""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("en", "es", "fr", "it", "pt")

# said alike in all five languages
NAMES: Final = (
    "Tina",
    "Dina",
    "Nina",
    "Mara",
    "Bara",
    "Pino",
    "Mino",
    "Vito",
    "Eva",
    "Omar",
    "Hugo",
    "Leo",
)

_VERBS: Final = """
buys   | compra   | achète  | compra   | compra
sells  | vende    | vend    | vende    | vende
takes  | toma     | prend   | prende   | pega
wants  | quiere   | veut    | vuole    | quer
sees   | ve       | voit    | vede     | vê
finds  | halla    | trouve  | trova    | acha
loses  | pierde   | perd    | perde    | perde
paints | pinta    | peint   | dipinge  | pinta
moves  | mueve    | bouge   | muove    | move
washes | lava     | lave    | lava     | lava
loves  | ama      | aime    | ama      | ama
hides  | esconde  | cache   | nasconde | esconde
breaks | rompe    | casse   | rompe    | quebra
makes  | hace     | fait    | fa       | faz
bakes  | asa      | cuit    | cuoce    | assa
needs  | necesita | demande | chiede   | precisa
leads  | guía     | mène    | guida    | guia
brings | trae     | apporte | porta    | traz
"""

# with the definite article, which also tells the gender: * marks a feminine noun
_NOUNS: Final = """
bear     | el oso        | l'ours       | l'orso       | o urso
pear     | la pera *     | la poire *   | la pera *    | a pera *
mare     | la yegua *    | la jument *  | la cavalla * | a égua *
pan      | la sartén *   | la poêle *   | la padella * | a panela *
man      | el hombre     | l'homme      | l'uomo       | o homem
ban      | el bando      | le ban       | il bando     | o bando
van      | el furgón     | le fourgon   | il furgone   | o furgão
fan      | el abanico    | l'éventail   | il ventaglio | o leque
coat     | el abrigo     | le manteau   | il cappotto  | o casaco
goat     | la cabra *    | la chèvre *  | la capra *   | a cabra *
boat     | el barco      | le bateau    | il battello  | o barco
moat     | el foso       | le fossé     | il fosso     | o fosso
bread    | el pan        | le pain      | il pane      | o pão
hand     | la mano *     | la main *    | la mano *    | a mão *
bath     | el baño       | le bain      | il bagno     | o banho
path     | el paso       | le pas       | il passo     | o passo
bridge   | el puente     | le pont      | il ponte     | a ponte *
mountain | el monte      | le mont      | il monte     | o monte
moon     | la luna *     | la lune *    | la luna *    | a lua *
dune     | la duna *     | la dune *    | la duna *    | a duna *
tune     | el tono       | le ton       | il tono      | o tom
hen      | la gallina *  | la poule *   | la gallina * | a galinha *
ball     | la bola *     | la boule *   | la palla *   | a bola *
mould    | el molde      | le moule     | la forma *   | o molde
roof     | el techo      | le toit      | il tetto     | o teto
finger   | el dedo       | le doigt     | il dito      | o dedo
nut      | la nuez *     | la noix *    | la noce *    | a noz *
silk     | la seda *     | la soie *    | la seta *    | a seda *
law      | la ley *      | la loi *     | la legge *   | a lei *
tea      | el té         | le thé       | il tè        | o chá
sea      | el mar        | la mer *     | il mare      | o mar
knee     | la rodilla *  | le genou     | il ginocchio | o joelho
wine     | el vino       | le vin       | il vino      | o vinho
pine     | el pino       | le pin       | il pino      | o pinho
mine     | la mina *     | la mine *    | la miniera * | a mina *
cow      | la vaca *     | la vache *   | la vacca *   | a vaca *
knife    | el cuchillo   | le couteau   | il coltello  | a faca *
paw      | la pata *     | la patte *   | la zampa *   | a pata *
robe     | la bata *     | la robe *    | la veste *   | a bata *
bush     | la mata *     | le buisson   | il cespuglio | o mato
weight   | el peso       | le poids     | il peso      | o peso
kiss     | el beso       | le baiser    | il bacio     | o beijo
tin      | la lata *     | la boîte *   | la latta *   | a lata *
cream    | la nata *     | la crème *   | la panna *   | a nata *
cat      | el gato       | le chat      | il gatto     | o gato
duck     | el pato       | le canard    | il papero    | o pato
house    | la casa *     | la maison *  | la casa *    | a casa *
book     | el libro      | le livre     | il libro     | o livro
"""

# masculine / feminine where they differ
_ADJECTIVES: Final = """
green | verde        | vert/verte     | verde           | verde
blue  | azul         | bleu/bleue     | blu             | azul
red   | rojo/roja    | rouge          | rosso/rossa     | vermelho/vermelha
big   | grande       | grand/grande   | grande          | grande
sad   | triste       | triste         | triste          | triste
sweet | dulce        | doux/douce     | dolce           | doce
bad   | malo/mala    | mauvais/mauvaise | cattivo/cattiva | mau/má
mad   | loco/loca    | fou/folle      | matto/matta     | louco/louca
pale  | pálido/pálida | pâle          | pallido/pallida | pálido/pálida
"""

_ADVERBS: Final = """
now    | ahora      | maintenant   | adesso  | agora
today  | hoy        | aujourd'hui  | oggi    | hoje
soon   | pronto     | bientôt      | presto  | logo
here   | aquí       | ici          | qui     | aqui
there  | allí       | là           | là      | ali
again  | otra vez   | encore       | ancora  | de novo
well   | bien       | bien         | bene    | bem
at two | a las dos  | à deux heures | alle due | às duas
at ten | a las diez | à dix heures | alle dieci | às dez
"""

_INDEFINITE: Final = {
    "es": ("un", "una"),
    "fr": ("un", "une"),
    "it": ("un", "una"),
    "pt": ("um", "uma"),
}
# words that carry no meaning of their own; "an" and "uno" never occur
FUNCTION_WORDS: Final = {
    "en": frozenset(["a", "the", "at"]),
    "es": frozenset(["un", "una", "el", "la", "a", "las"]),
    "fr": frozenset(["un", "une", "le", "la", "à"]),
    "it": frozenset(["un", "una", "il", "la", "alle"]),
    "pt": frozenset(["um", "uma", "o", "a", "às", "de"]),
}


def _rows(table: str) -> tuple[tuple[str, ...], ...]:
    lines = table.strip().splitlines()
    return tuple(tuple(cell.strip() for cell in line.split("|")) for line in lines)


VERBS: Final = _rows(_VERBS)
NOUNS: Final = _rows(_NOUNS)
ADJECTIVES: Final = _rows(_ADJECTIVES)
ADVERBS: Final = _rows(_ADVERBS)


def noun_phrase(language: str, noun: int, adjective: int | None, *, definite: bool) -> str:
    """Article, noun and perhaps an adjective that agrees with it, e.g. "a green pear"."""
    column = LANGUAGES.index(language)
    entry = NOUNS[noun][column]
    feminine = entry.endswith("*")
    entry = entry.removesuffix("*").strip()
    quality = [] if adjective is None else [_agree(ADJECTIVES[adjective][column], feminine)]
    if language == "en":
        return " ".join(["the" if definite else "a", *quality, entry])
    if not definite:
        bare = entry.split("l'")[-1].split()[-1]
        entry = f"{_INDEFINITE[language][feminine]} {bare}"
    return " ".join([entry, *quality])


def _agree(adjective: str, feminine: bool) -> str:
    return adjective.split("/")[-1 if feminine else 0]


def content_words(language: str) -> set[str]:
    """Every word with a meaning of its own that the grammar can say, in lower case."""
    column = LANGUAGES.index(language)
    phrases = [name.lower() for name in NAMES]
    phrases += [row[column] for table in (VERBS, ADVERBS) for row in table]
    phrases += [form for row in ADJECTIVES for form in row[column].split("/")]
    phrases += [row[column].removesuffix("*").split("l'")[-1] for row in NOUNS]
    return {word for phrase in phrases for word in phrase.split()} - FUNCTION_WORDS[language]
