"""What the corpus of repair is made of: shapes with their schemas, records whose truth is known.

A record is drawn from texts as people and teachers write them: dialogue with quotes, apostrophes,
commas, URLs, paths, emoji, prices, dates, code, markdown, Romanian. Its strings are trimmed. A
kind (kinds_*.py) is a function `(record, rng) -> text`, `(text, finish reason)`, or None where it
does not apply to the record. A mark declares what is due:

    recoverable  a careful person with the text and the schema is certain of the record
    foreign      certain as well, but in a notation that is neither JSON nor close to it (tables,
                 XML, YAML, CSV, Lua ...): who repairs JSON may read it or reject it
    lost         nobody can be certain, or the record is not there: to be rejected
"""
# ruff: noqa: E501, RUF001

import hashlib
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

Record = dict[str, Any]


class Changed(NamedTuple):
    """A text whose truth is not the record that was given, but one made of it."""

    text: str
    truth: Record


Text = str | tuple[str, str] | Changed | None
Kind = Callable[[Record, Random], Text]


def recoverable(kind: Kind) -> Kind:
    """Declare that a careful person is certain of the record: it is due."""
    kind.due = "recoverable"
    return kind


def foreign(kind: Kind) -> Kind:
    """Declare that a careful person is certain of the record, but that this is no JSON at all."""
    kind.due = "foreign"
    return kind


def lost(kind: Kind) -> Kind:
    """Declare that nobody can be certain, or that the record is not there."""
    kind.due = "lost"
    return kind


def known(kind: Kind) -> Kind:
    """Declare that the developers have such a kind: in malform.py or in the tests of the proof."""
    kind.known = True
    return kind


def half(name: str) -> str:
    """Say to which half a kind belongs, by a hash of its name: nobody chose."""
    return ("seen", "unseen")[hashlib.sha256(name.encode()).digest()[0] % 2]


# --- shapes: a schema each, and how a record of it is drawn ---------------------------------------

TEXT = {"type": "string", "minLength": 1}


def closed(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Make the schema of an object that knows no other keys."""
    required = [key for key in properties if key not in optional]
    known_keys = {"properties": properties, "required": required}
    return {"type": "object", **known_keys, "additionalProperties": False}


PROFILE = ("first_name", "last_name", "born", "city", "country", "job", "employer", "hobby", "pet",
           "favourite_food", "motto", "website")  # fmt: skip
SCHEMAS: dict[str, dict[str, Any]] = {
    "reviews": closed({
        "agree": TEXT | {"description": "A response that agrees with the review"},
        "disagree": TEXT | {"description": "A response that disagrees with the review"},
    }),
    "emoji": closed({"name": TEXT | {"description": "What people call the emoji"}}),
    "event": closed({
        "title": TEXT,
        "price": {"type": ["number", "null"]},
        "when": closed({"date": TEXT, "time": TEXT}),
        "venue": closed({"name": TEXT, "city": TEXT}),
    }),
    "keywords": closed({"topic": TEXT, "keywords": {"type": "array", "items": TEXT}}),
    "dialogue": closed({
        "turns": {"type": "array", "items": closed({"speaker": TEXT, "says": TEXT})},
    }),
    "product": closed({
        "name": TEXT,
        "sku": TEXT,
        "price": {"type": "number"},
        "currency": {"enum": ["EUR", "USD", "RON"]},
        "in_stock": {"type": "boolean"},
        "rating": {"type": ["number", "null"]},
        "sizes": {"type": "array", "items": {"type": "integer"}},
    }),
    "contact": closed(
        {"name": TEXT, "email": TEXT, "phone": TEXT, "notes": TEXT},
        optional=("email", "phone", "notes"),
    ),
    "code": closed({
        "task": TEXT,
        "language": {"enum": ["python", "javascript", "bash"]},
        "code": TEXT,
        "explanation": TEXT,
    }),
    "article": closed({"title": TEXT, "body": TEXT}),
    "raspuns": closed({
        "intrebare": TEXT,
        "raspuns": TEXT,
        "ton": {"enum": ["formal", "prietenos", "ironic"]},
    }),
    "profile": closed(dict.fromkeys(PROFILE, TEXT)),
    "qa": {
        "type": "object",
        "properties": {
            "question": TEXT,
            "answer": TEXT,
            "sources": {"type": "array", "items": TEXT},
        },
        "required": ["question", "answer"],
    },
}  # fmt: skip

OPINIONS = [
    "Yes, the plot drags, and the ending doesn't earn its tears.",
    'Exactly! "Gripping" is the last word I\'d use for it.',
    "I couldn't agree more: the actors' work was flat, and the music was worse.",
    'She told me "never again", and after two hours I knew why.',
    "Right, 1,000 extras and not one of them is interesting… what a waste!",
    "Fair point. I paid $12.50 for a seat, and I'd pay $20 to forget it. 😅",
    "The first half works; the second, well, it doesn't. See https://example.org/r?id=7&page=2.",
    "My brother said: \"It's fine.\" It isn't.",
    "It's slow\nIt's long\nIt's beautiful all the same.",
    "No — the camera work alone (that long take on p. 12!) is worth the ticket.",
    "On 14 May 1999 I saw it first; on 3/8/2024 I saw it again, and I'd still say 9/10.",
    "I disagree, politely. The dialogue is sharp, the pace is right, and the cast shines.",
    "Are you sure? We laughed a lot, my kids (6 and 9) too.",
    "Don't listen to the critics' chorus: it's a small, warm, funny film.",
    "A 5\" screen won't do it justice, see it in a cinema.",
    "Give it time, it grows on you. “Slow” isn't “bad”, is it?",
    "R&B on the soundtrack, AT&T logos in every scene: an advert, not a film.",
    "Overrated.",
]
EMOJI = ["grinning face", "face with tears of joy", "thumbs up: medium skin tone", "man's shoe",
         "Japanese “here” button", "O button (blood type)", "flag: Côte d’Ivoire", "keycap: #",
         "rock 'n' roll hand", "red heart ❤", "bow and arrow", "piñata"]  # fmt: skip
TITLES = ["Jazz at the Lake", "Bob's Big Quiz Night", "Rust & Coffee Meetup #12", "Târgul de carte",
          'An Evening with "The Mice"', "5 km Fun Run, Spring Edition", "Opera: La Bohème"]  # fmt: skip
VENUES = ["The Old Mill", "St. Mary's Hall", "Café Zürich", "Sala Palatului", "Pier 39, Gate B"]
CITIES = ["Leeds", "Cluj-Napoca", "São Paulo", "Iași", "Berlin", "Kraków", "Reno, NV"]
TOPICS = {
    "coffee": ["espresso", "flat white", "barista's choice", "crema", "slow drip, cold", "latte"],
    "sailing": ["knots", "jib", "port & starboard", "man overboard!", "a fair wind", "tacking"],
    "cooking": ["mise en place", "al dente", "sauté", "Grandma's oven", "salt, fat, acid", "roux"],
    "Python": ["list comprehension", "GIL", "f-strings", "__init__", "duck typing", "pip install"],
}
LINES = [
    "Where have you been? It's half past nine.",
    "Out. I told you: the train was late, again.",
    'He said "no", then he hung up.',
    "You can't be serious!",
    "That'll be £4.20, love. Card or cash?",
    "Fine, fine… I'll call her tomorrow, all right?",
    "Look at https://maps.example.com/?q=a,b and turn left.",
    "“Wait here,” she said, “and don't move.”",
    "I've been to Paris, Rome, and Athens 🙂",
    "Mm.",
]
SPEAKERS = ["Anna", "Mr O'Brien", "WAITER", "Ștefan", "The boy", "Dr. Lee"]
PRODUCTS = ["Trail Shoe 2", "Kids' Rain Jacket", 'Monitor 27" (matte)', "Mug, enamel, 350 ml",
            "Pâte à tartiner", "USB-C cable – 2 m"]  # fmt: skip
PRICES = [12.99, 5, 249.0, 0.5, 1299.95, 17.25, 80, 4.2]
NAMES = ["Maria Popescu", "Liam O'Connor", "Zoë Kravitz-Smith", "Chen Wei", "Ana-Lucía Díaz"]
NOTES = ["Prefers e-mail, not before 10 a.m.", "Met at PyCon 2023; likes tea.",
         'Goes by "Lou".', "Dog's name: Rex. Allergic to nuts, milk.", "VIP ⭐, bills to HQ"]  # fmt: skip
CODE = [
    ("python", "Greet a person.", 'def greet(name):\n    print(f"Hello, {name}!")\n',
     "An f-string puts the name into the greeting."),
    ("python", "Count the words in a file.",
     "import re\n\nwith open('notes.txt') as file:\n    words = re.findall(r\"\\w+\", file.read())\n"
     "print(len(words), 'words')",
     r"The pattern \w+ finds runs of letters, digits and underscores."),
    ("javascript", "Read a value from an object.",
     'const user = {name: "Ana", tags: ["a", "b"]};\nconsole.log(user["name"], `${user.tags[0]}`);',
     "Brackets and dots both work, e.g. user.name."),
    ("javascript", "Parse JSON safely.",
     "try {\n  const got = JSON.parse('{\"ok\": true}'); // parse\n  return got.ok && !got.error;\n"
     "} catch (e) {\n  return null; /* bad input */\n}",
     "It returns null when the text isn't JSON."),
    ("bash", "List the ten largest files.", "du -ah . | sort -rh | head -n 10  # largest first",
     "du measures, sort orders, head cuts."),
    ("bash", "Replace tabs by spaces.", "for f in *.txt; do\n\texpand -t 4 \"$f\" > \"${f}.new\"\ndone",
     "Don't run it on binaries: C:\\temp\\new.bin would suffer."),
]  # fmt: skip
ARTICLES = [
    ("Why bread rises",
     "# Why bread rises\n\nYeast eats sugar and breathes out **carbon dioxide**; the gluten holds it "
     "in.\n\n- Warm water: 35 °C, not more\n- Flour, salt, time\n\n> \"Patience is an ingredient,\" "
     "my baker says.\n\nSee [the guide](https://example.org/bread#step-2), and don't rush."),
    ("Three days in Porto",
     "Day one: walk.\n\nDay two: eat. A francesinha costs about 11 €, the view is free.\n\n"
     "1. Livraria Lello (go early!)\n2. Ribeira\n3. The tram, line 22\n\nDay three: it rains, it's "
     "fine."),
    ("How to read a log",
     "Start at the end.\n\n```\n2024-05-01 12:00:03 ERROR disk full: /var/log\n```\n\nThe line says "
     "*when*, *what* and *where*; `grep -n ERROR app.log` finds more.\n\n| level | means |\n|---|---|\n"
     "| WARN | look soon |\n| ERROR | look now |"),
    ("Small talk, explained",
     "People don't want facts; they want company.\n\n\"How are you?\" isn't a question. It's a door, "
     "and \"Fine, and you?\" holds it open.\n\nTry it."),
]  # fmt: skip
ROMANIAN = [
    "Ce părere aveți despre „Moromeții”?",
    "Îmi place mult, deși începutul e cam lent, iar finalul – trist.",
    "N-aș spune asta: „capodoperă” e un cuvânt prea mare, zău așa!",
    "Când ajungem la Iași? Pe 3 mai, la ora 14:30, dacă nu-i viscol.",
    "Prețul e de 1.250,50 lei, TVA inclus; îl găsiți și pe https://exemplu.ro/ofertă?id=9.",
    "Ea a zis: „Țin minte totul, până și «detaliile»”, apoi a tăcut.",
    "Sigur că da 🙂, vă aștept mâine după-amiază.",
    "Știți, nu-mi amintesc… poate fiindcă eram mic.",
]
SHORT = {
    "first_name": ["Ana", "Seán", "Noor", "Ștefania"],
    "last_name": ["O'Neill", "Ionescu", "van der Berg", "Li"],
    "born": ["1984-02-29", "3 May 1990", "12/11/1975"],
    "city": CITIES,
    "country": ["Romania", "Côte d'Ivoire", "UK", "Brazil"],
    "job": ["nurse", "R&D engineer", "baker, mostly bread", "tram driver"],
    "employer": ["Smith & Sons", "self", "City of Leeds", "ACME Inc."],
    "hobby": ["chess", "rock 'n' roll", "bird-watching", "5-a-side football"],
    "pet": ["none", "a cat", "two dogs, Rex and Mo", "🐢"],
    "favourite_food": ["sarmale", "fish & chips", "pão de queijo", "soup"],
    "motto": ["Don't panic.", "Carpe diem", '"Less is more"', "Go slow, go far"],
    "website": ["https://ana.example", "none", "www.example.org/~li", "http://x.example/?a=1&b=2"],
}
QUESTIONS = [
    ("How many moons has Mars?", "Two: Phobos and Deimos."),
    ("Is a tomato a fruit?", "Botanically, yes; in the kitchen, it's a vegetable."),
    ('What does "ad hoc" mean?', "It's Latin, “for this”: made for one purpose."),
    ("Who wrote 'Emma'?", "Jane Austen, in 1815 (it's dedicated to the Prince Regent)."),
    ("How do I write an empty JSON object?", 'As {}. An empty list is [], an empty text is "".'),
]
SOURCES = ["https://en.example.org/wiki/Mars_(planet)", "https://example.com/a?b=c,d&e=f", "p. 12"]


def reviews(rng: Random) -> Record:
    """Draw two texts, as in recipes/reviews."""
    return dict(zip(("agree", "disagree"), rng.sample(OPINIONS, 2), strict=True))


def emoji(rng: Random) -> Record:
    """Draw one short text, as in recipes/emoji."""
    return {"name": rng.choice(EMOJI)}


def event(rng: Random) -> Record:
    """Draw nested objects, the last of which ends the record."""
    date = rng.choice(["2025-06-01", "Sat, 14 May 2022", "24.12.2024"])
    return {
        "title": rng.choice(TITLES),
        "price": rng.choice([*PRICES, None]),
        "when": {"date": date, "time": rng.choice(["19:30", "7 p.m.", "noon"])},
        "venue": {"name": rng.choice(VENUES), "city": rng.choice(CITIES)},
    }


def keywords(rng: Random) -> Record:
    """Draw an array of strings."""
    topic = rng.choice(sorted(TOPICS))
    return {"topic": topic, "keywords": rng.sample(TOPICS[topic], rng.randrange(3, 6))}


def dialogue(rng: Random) -> Record:
    """Draw an array of objects."""
    said = rng.sample(LINES, rng.randrange(2, 5))
    pair = rng.sample(SPEAKERS, 2)
    return {"turns": [{"speaker": pair[k % 2], "says": line} for k, line in enumerate(said)]}


def product(rng: Random) -> Record:
    """Draw numbers, a boolean, an enum, a null, an array of integers."""
    return {
        "name": rng.choice(PRODUCTS),
        "sku": f"{rng.choice('ABX')}-{rng.randrange(1000, 9999)}",
        "price": rng.choice(PRICES),
        "currency": rng.choice(["EUR", "USD", "RON"]),
        "in_stock": rng.random() < 0.5,
        "rating": rng.choice([4.5, 3.8, 5, None]),
        "sizes": sorted(rng.sample(range(36, 48), rng.randrange(2, 6))),
    }


def contact(rng: Random) -> Record:
    """Draw a record with optional keys: which of them are there, nobody can know beforehand."""
    name = rng.choice(NAMES)
    may = {
        "email": name.split()[0].lower() + "@example.com",
        "phone": f"+40 7{rng.randrange(10, 99)} {rng.randrange(100, 999)} 555",
        "notes": rng.choice(NOTES),
    }
    kept = rng.sample(sorted(may), rng.randrange(1, 4))
    return {"name": name, **{key: may[key] for key in may if key in kept}}


def code(rng: Random) -> Record:
    """Draw code within a value: braces, quotes, backslashes, line breaks."""
    language, task, source, explanation = rng.choice(CODE)
    return {"task": task, "language": language, "code": source.strip(), "explanation": explanation}


def article(rng: Random) -> Record:
    """Draw several paragraphs of markdown."""
    return dict(zip(("title", "body"), rng.choice(ARTICLES), strict=True))


def raspuns(rng: Random) -> Record:
    """Draw Romanian, with its letters and its quotes."""
    asked, answered = rng.sample(ROMANIAN, 2)
    return {"intrebare": asked, "raspuns": answered, "ton": rng.choice(["formal", "ironic"])}


def profile(rng: Random) -> Record:
    """Draw many short fields."""
    return {key: rng.choice(SHORT[key]) for key in PROFILE}


def qa(rng: Random) -> Record:
    """Draw a record of an open schema with an optional array."""
    question, answer = rng.choice(QUESTIONS)
    record: Record = {"question": question, "answer": answer}
    if rng.random() < 0.6:
        record["sources"] = rng.sample(SOURCES, rng.randrange(1, 4))
    return record


DRAW = {each.__name__: each for each in (reviews, emoji, event, keywords, dialogue, product, contact,
                                         code, article, raspuns, profile, qa)}  # fmt: skip


def shape_of(record: Record) -> str:
    """Name the shape that a record has; a contact always has more than a name."""
    first = next(iter(record))
    found = [name for name, schema in SCHEMAS.items()
             if next(iter(schema["properties"])) == first
             and set(schema["required"]) <= record.keys()
             and record.keys() <= schema["properties"].keys()]  # fmt: skip
    assert found, record
    return found[0]


def schema_of(record: Record) -> dict[str, Any]:
    """Return the schema that a record is of."""
    return SCHEMAS[shape_of(record)]


def another(record: Record, rng: Random) -> Record:
    """Draw another record of the same shape."""
    draw = DRAW[shape_of(record)]
    while (drawn := draw(rng)) == record:
        pass
    return drawn


# --- what kinds ask about a record ----------------------------------------------------------------


def strings(value: Any) -> list[str]:
    """List the strings of a JSON value, in order."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in strings(each)]


def flat(record: Record) -> bool:
    """Tell whether every value is a string."""
    return all(isinstance(said, str) for said in record.values())


def lines(record: Record) -> bool:
    """Tell whether every value is a string of one line."""
    return flat(record) and not any("\n" in said for said in record.values())


def full(record: Record) -> bool:
    """Tell whether no key can be missing: a closed schema, all of whose keys are there."""
    schema = schema_of(record)
    return "additionalProperties" in schema and schema["properties"].keys() == record.keys()


def has(record: Record, pattern: str) -> bool:
    """Tell whether a string of the record matches."""
    return any(re.search(pattern, text) for text in strings(record))


def calm(record: Record) -> bool:
    """Tell whether no string of the record looks like JSON around it: no braces, no code."""
    return not has(record, r"[{}\[\]\\`|]") and shape_of(record) != "code"


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """Change every string of a JSON value, not its keys."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: changed(said, change) for key, said in value.items()}
    return [changed(said, change) for said in value] if isinstance(value, list) else value


def one_changed(record: Record, rng: Random, value: Any) -> Record:
    """Put another value in place of one of the record's."""
    return record | {rng.choice(sorted(record)): value}


# --- how kinds spell a record ---------------------------------------------------------------------


def dumps(value: Any, **how: Any) -> str:
    """Spell it in JSON, with all characters as they are."""
    return json.dumps(value, **{"ensure_ascii": False} | how)


def plain(value: Any, rng: Random) -> str:
    """Spell it well, on one line or indented."""
    return dumps(value, indent=rng.choice([None, None, 2]))


def spell(
    value: Any,
    *,
    string: Callable[[str], str] = dumps,
    key: Callable[[str], str] = dumps,
    literal: Callable[[Any], str] = dumps,
    colon: str = ": ",
    comma: str = ",",
    braces: tuple[str, str] = ("{", "}"),
    brackets: tuple[str, str] = ("[", "]"),
    indent: int | None = None,
    depth: int = 0,
) -> str:
    """Spell a JSON value with another spelling of any of its parts.

    indent: None for one line; comma stands between members and items, before a space or a line
    """
    how = {"string": string, "key": key, "literal": literal, "colon": colon, "comma": comma,
           "braces": braces, "brackets": brackets, "indent": indent, "depth": depth + 1}  # fmt: skip
    if isinstance(value, str):
        return string(value)
    if isinstance(value, dict):
        parts = [key(name) + colon + spell(said, **how) for name, said in value.items()]
        opens, closes = braces
    elif isinstance(value, list):
        parts = [spell(said, **how) for said in value]
        opens, closes = brackets
    else:
        return literal(value)
    if indent is None:
        return opens + (comma + " ").join(parts) + closes
    inner, outer = "\n" + " " * indent * (depth + 1), "\n" + " " * indent * depth
    return opens + inner + (comma + inner).join(parts) + outer + closes


def single(text: str) -> str:
    """Spell a string as Python does, between apostrophes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return "'" + escaped.replace("\t", "\\t") + "'"


def python(value: Any) -> str:
    """Spell a word or a number as Python does."""
    return repr(value)


def bare(text: str) -> str:
    """Spell a string with nothing around it."""
    return text
