"""Briefs as machines and forms have them: keys and values, JSON, tables, grids, criteria. Each is a whole brief."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_parts import (  # fmt: skip
    AT_PLACE,
    SPOTS,
    Thing,
    Whole,
    bare,
    colour_of,
    distinct,
    number_of,
    pick,
    plural,
    put,
    scenery,
    thing_of,
)
from training.brief_words import LIGHTS, MOODS, PLAIN_COLOURS
from training.tables import load_table

# How one writer spells the nine places.
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str, str, str, lambda p: p.replace(" ", "-"), lambda p: p.replace(" ", "_"), lambda p: p.replace("center", "centre"), lambda p: p.replace("center", "middle"),
    lambda p: p.replace("top", "upper").replace("bottom", "lower") if " " in p else p, lambda p: "".join(w[0] for w in p.split()).upper() if " " in p else p,
    lambda p: " ".join(reversed(p.split())), lambda p: p.replace("top ", "up ").replace("bottom ", "down "), lambda p: f"at {p}" if p != "center" else "centered",
    lambda p: f"{p} corner" if " " in p else f"{p} side" if p in ("left", "right") else p, lambda p: p.upper(), lambda p: p.title(),
)  # fmt: skip
NAMES: dict[str, tuple[str, ...]] = load_table("records", "names")
# What stands in the background field of a record.
FIELDS: dict[str, tuple[str, ...]] = load_table("records", "fields")
OTHER_FIELDS: tuple[str, ...] = load_table("records", "other_fields")
CODES: tuple[str, ...] = load_table("records", "codes")
KINDS: tuple[str, ...] = load_table("records", "kinds")
TITLES: tuple[str, ...] = load_table("records", "titles")
LAYOUTS: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = load_table("records", "layouts")
ROLES: tuple[str, ...] = load_table("records", "roles")
REASONS: tuple[str, ...] = load_table("records", "reasons")
TAGS: tuple[str, ...] = load_table("records", "tags")


def field_of(rng: np.random.Generator, *, none: float = 0.3) -> tuple[str, str]:
    """The answer's background, and the value of a background field; a value of '' means that there is no such field."""
    if rng.random() < none:
        return "", pick(rng, ("", "", "", "", "none"))
    if rng.random() < 0.6:
        name = pick(rng, list(FIELDS))
        return name, pick(rng, FIELDS[name])
    wording = pick(rng, OTHER_FIELDS) if rng.random() < 0.7 else pick(rng, ("plain {c}", "{c}", "solid {c}", "{c} wall", "light {c}", "{c} paper", "{c} gradient")).format(c=pick(rng, PLAIN_COLOURS))
    return wording, wording


def records(rng: np.random.Generator, count: int, *, placed: float = 0.55) -> tuple[list[Thing], list[dict[str, str]]]:
    """Different things, and the fields that a record has for each: the subject, whatever else is said."""
    form, spell = rng.random(), pick(rng, SPELLINGS)
    coloured_share = 1.0 if form < 0.72 else 0.6 if form < 0.88 else 0.0  # how many have their colour said
    says_place = rng.random() < placed
    things, fields = distinct(rng, count, 0.0), []
    places = [str(place) for place in rng.permutation(pick(rng, SPOTS[count]))] if says_place else DEFAULT[count]
    for i, (thing, place) in enumerate(zip(things, places, strict=True)):
        field = {"subject": thing.subject}
        if rng.random() < coloured_share:
            field["colour"] = colour_of(rng)
        if thing.detail:
            field["detail"] = thing.detail
        if says_place:
            field["position"] = spell(place)
        things[i] = replace(thing, colour=field.get("colour", thing.colour), place=place)
        fields.append(field)
    return things, fields


def entry(field: dict[str, str], style: int) -> str:
    """'crab (purple, left)', 'purple crab @ left', as one writer has it."""
    rest = [field[key] for key in ("colour", "detail", "position") if key in field]
    if style < 3:
        name = " ".join(field[key] for key in ("detail", "colour", "subject") if key in field)
        return name + (("@ ", "- ", "-> ")[style].join((" ", field["position"])) if "position" in field else "")
    joint, end = ((" (", ")"), (", ", ""), (": ", ""), (" - ", ""), (" [", "]"), (" / ", ""))[style - 3]
    return field["subject"] + (joint + (" / " if style == 8 else ", ").join(rest) + end if rest else "")


def mood_field(rng: np.random.Generator) -> tuple[str, str, str]:
    """The key of a mood or light field and, one of them empty, the light and the mood."""
    if rng.random() < 0.85:
        return "", "", ""
    return ("mood", "", pick(rng, MOODS)) if rng.random() < 0.7 else ("light", pick(rng, LIGHTS)[1], "")


def key_values(rng: np.random.Generator) -> Whole:
    """'subject=robot; color=orange; pos=bottom left; bg=city'."""
    count = number_of(rng, most=4)
    things, fields = records(rng, count, placed=0.7)
    background, wording = field_of(rng)
    key, light, mood = mood_field(rng)
    keys = {name: pick(rng, [k for k in names if k != "location" or name == "background"]) for name, names in NAMES.items()}
    sign, joint = pick(rng, (("=", "; "), ("=", ", "), (": ", ", "), (": ", "; "), (" = ", "\n"), (": ", "\n"), ("=", " "), ("=", " | "), (":", ";"), ("=", "&"), (": ", " / "), (" -> ", ", ")))  # fmt: skip

    def pair(key: str, value: str) -> str:
        value = f'"{value}"' if joint == " " and " " in value else value
        return f"{key}{sign}{value}"

    parts = []
    form = rng.random()
    for i, field in enumerate(fields, 1):
        mark = "" if count == 1 else str(i)
        if count > 1 and form < 0.35:  # 'object1=robot, red, left'
            parts.append(pair(keys["subject"] + mark, entry(field, 0 if joint == ", " else 4)))
        elif count > 1 and form < 0.6 and joint != "\n":  # one line for each
            parts.append(joint.join(pair(keys[name], value) for name, value in field.items()))
        else:
            parts += [pair(keys[name] + mark, value) for name, value in field.items()]
    ends = [pair(keys["background"], wording)] if wording else []
    ends += [pair(keys[key], light or mood)] if key else []
    one_line = count > 1 and 0.35 <= form < 0.6 and joint != "\n"
    parts = ends + parts if rng.random() < 0.2 else parts + ends
    return Whole(("\n" if one_line else joint).join(parts), things, background, light, mood)


def as_json(rng: np.random.Generator) -> Whole:
    """JSON, YAML or XML."""
    count = number_of(rng)
    things, fields = records(rng, count)
    background, wording = field_of(rng)
    key, light, mood = mood_field(rng)
    keys = {name: pick(rng, names[:8]) for name, names in NAMES.items()}
    many = pick(rng, ("objects", "items", "things", "elements", "scene", "subjects", "content", "layers"))
    rows = [{keys[name]: value for name, value in field.items()} for field in fields]
    ends = ({keys["background"]: wording} if wording else {}) | ({keys[key]: light or mood} if key else {})
    form = rng.random()
    if form < 0.5:
        content: object = rows if form < 0.4 else [entry(field, 0) for field in fields]
        if "position" in fields[0] and form >= 0.4:
            whole: dict[str, object] = {**{field["position"]: entry(field | {"position": ""}, 0).removesuffix(" @ ") for field in fields}, **ends}
        else:
            whole = {**(rows[0] if count == 1 and form < 0.3 else {many: content}), **ends}
        if rng.random() < 0.2:
            whole = dict(reversed(whole.items())) if len(whole) == 2 and count > 1 and many in whole else whole
        text = json.dumps(whole, indent=pick(rng, (None, None, None, None, None, None, None, 2)), ensure_ascii=False)
        text = text.replace('"', "'") if rng.random() < 0.15 and "'" not in text else text
        return Whole(text, things, background, light, mood)
    if form < 0.75:  # YAML
        lines = [f"{k}: {v}" for k, v in ends.items()]
        listing = [f"{many}:"] if rng.random() < 0.6 else []
        pad = "  " if listing else ""
        for row, field in zip(rows, fields, strict=True):
            if listing and form < 0.65:
                listing += [f"{pad}{'- ' if not i else '  '}{k}: {v}" for i, (k, v) in enumerate(row.items())]
            else:
                listing.append(f"{pad}- {entry(field, int(form * 1000) % 9)}")
        return Whole("\n".join(lines + listing if rng.random() < 0.25 else listing + lines), things, background, light, mood)
    tag, outer = (pick(rng, ("object", "obj", "item", "thing", "element")), pick(rng, ("scene", "picture", "image", "canvas", "art")))
    style, opened = rng.random(), f"<{outer}" + "".join(f' {k}="{v}"' for k, v in ends.items()) + ">"
    inner = []
    for row in rows:
        subject, *rest = row.items()
        attributes = "".join(f' {k}="{v}"' for k, v in rest)
        inner.append(f"<{tag}{attributes}>{subject[1]}</{tag}>" if style < 0.4 else f'<{tag} {subject[0]}="{subject[1]}"{attributes}/>' if style < 0.75 else f"<{tag}>" + "".join(f"<{k}>{v}</{k}>" for k, v in row.items()) + f"</{tag}>")  # fmt: skip
    return Whole(pick(rng, ("", "", "\n")).join([opened, *inner, f"</{outer}>"]), things, background, light, mood)


def table(rng: np.random.Generator) -> Whole:
    """Fields in order: 'crab | purple | left', one line each, perhaps with a header; bullets with a background line."""
    things, fields = records(rng, number_of(rng))
    background, wording = field_of(rng)
    ends = f"{pick(rng, NAMES['background'])}: {wording}" if wording else ""
    form, style = rng.random(), int(rng.integers(9))
    if form < 0.6:
        mark = pick(rng, ("- {}", "- {}", "* {}", "• {}", "{i}. {}", "{i}) {}", "{}", "[ ] {}", "#{i} {}"))
        lines = [mark.format(entry(field, style), i=i) for i, field in enumerate(fields, 1)]
        ends = mark.format(ends, i=len(lines) + 1) if ends and rng.random() < 0.15 and "{i}" not in mark else ends
    else:
        columns = [name for name in ("subject", "colour", "detail", "position") if any(name in field for field in fields)]
        joint = pick(rng, (" | ", ";", "; ", ",", "\t", " || "))
        lines = [joint.join(field.get(name, "-") for name in columns) for field in fields]
        if form > 0.75:
            lines.insert(0, joint.join(pick(rng, NAMES[name][:5]) for name in columns))
    joint = pick(rng, ("\n", "\n", "\n", " / ")) if form < 0.6 else "\n"
    return Whole(joint.join([ends, *lines] if ends and rng.random() < 0.2 else [*lines, ends] if ends else lines), things, background)


def spec(rng: np.random.Generator) -> Whole:
    """'n=5, type=star, color=gold, pattern=four corners + middle'; 'title: … | objects: … | layout: … | bg: …'."""
    background, wording = field_of(rng)
    keys = {name: pick(rng, names[:7]) for name, names in NAMES.items()}
    sign, joint = pick(rng, (("=", ", "), ("=", "; "), (": ", " | "), (": ", "; "), (": ", "\n"), (": ", ", "), ("=", " | ")))
    layout = pick(rng, ("layout", "pattern", "arrangement", "composition", "format", "order"))
    if rng.random() < 0.5:
        count = int(rng.choice(range(2, 10), p=[0.1, 0.2, 0.2, 0.16, 0.14, 0.04, 0.04, 0.12]))
        thing, is_coloured = thing_of(rng, coloured=0.0, before_only=True), rng.random() < 0.8
        thing = replace(thing, colour=colour_of(rng) if is_coloured else thing.colour)
        how, places = pick(rng, LAYOUTS[count])
        parts = {keys["count"]: str(count), keys["subject"]: pick(rng, (thing.subject, plural(thing.subject)))}
        parts |= ({keys["colour"]: thing.colour} if is_coloured else {}) | ({keys["detail"]: thing.detail} if thing.detail else {}) | {layout: how}
        things = put([thing] * count, places)
    else:
        count = number_of(rng)
        things, fields = records(rng, count, placed=0.0)
        how, places = pick(rng, LAYOUTS[count])
        things = put(things, places)
        joined = pick(rng, (" + ", " and ", "/")) if joint == ", " or "," in how else ", "
        parts = {pick(rng, ("title", "name", "headline")): pick(rng, TITLES)} if rng.random() < 0.4 else {}
        parts |= {pick(rng, ("objects", "content", "elements", "items", "motifs", "subjects")): joined.join(entry(field, 3 if joined == ", " and rng.random() < 0.3 else 0) for field in fields), layout: how}  # fmt: skip
    parts |= {keys["background"]: wording} if wording else {}
    return Whole(joint.join(f"{key}{sign}{value}" for key, value in parts.items()), things, background)


def gridded(rng: np.random.Generator) -> Whole:
    """'grid 2x2: a, b, c, d', 'col1=a col2=b', '2 rows x 3 cols; row 1: …', '(row 1, col 2) …', '[ ] [a] [ ]'."""
    background, wording = field_of(rng, none=0.5)
    rows, columns = pick(rng, ((1, 2), (1, 3), (2, 1), (3, 1), (2, 2), (2, 2), (2, 2), (2, 3), (2, 3), (3, 2), (3, 3), (3, 3)))
    spots = [f"{y} {x}".strip() or "center" for y in ((""), ("top", "bottom"), ("top", "", "bottom"))[rows - 1] or ("",) for x in ((""), ("left", "right"), ("left", "", "right"))[columns - 1] or ("",)]  # fmt: skip
    whole, form = rows * columns, rng.random()
    kept = sorted(int(i) for i in rng.permutation(whole)[: int(rng.integers(1, 4))]) if whole == 9 and form < 0.75 else list(range(whole))
    style, coloured = rng.random(), 0.0 if rng.random() < 0.15 else 0.85
    things = put([thing_of(rng, coloured=coloured, before_only=True) for _ in kept], [spots[i] for i in kept])
    blank = pick(rng, ("empty", "-", "nothing", "x", "blank", "_"))
    cells = {i: thing.phrase for i, thing in zip(kept, things, strict=True)}
    lines = [[cells.get(y * columns + x, blank) for x in range(columns)] for y in range(rows)]
    start = pick(rng, (f"grid {rows}x{columns}: ", f"{rows} rows x {columns} cols; ", f"{rows}x{columns} grid. ", f"rows={rows}, cols={columns}; ", f"layout: {rows} by {columns}\n", f"matrix {rows}x{columns}: ", ""))
    if rows == 1 or columns == 1:
        name = pick(rng, ("col", "column", "column ", "col ", "c") if rows == 1 else ("row", "row ", "line ", "r"))
        sign, joint = pick(rng, (("=", " "), ("=", ", "), (": ", ", "), (": ", "; "), (": ", "\n"), (" = ", "; "), (") ", " ")))
        text = joint.join(f"{name}{i + 1}{sign}{cells[i]}" for i in kept)
    elif style < 0.2 and len(kept) == whole:
        start = f"grid {rows}x{columns}: " if rows == columns else pick(rng, (f"{rows} rows x {columns} cols; ", f"rows={rows}, cols={columns}; ", f"{rows} rows of {columns}: "))
        text = ", ".join(cells[i] for i in kept)
    elif style < 0.4:
        name = pick(rng, ("row {}: ", "row{} = ", "Row {} - ", "r{}: ", "line {}: "))
        text = pick(rng, ("; ", "\n", ". ", " / ")).join(name.format(y + 1) + ", ".join(line) for y, line in enumerate(lines))
    elif style < 0.55:
        way, start = (pick(rng, ("(row {r}, col {c}) {s}", "row {r} col {c}: {s}", "r{r}c{c}={s}", "[{r},{c}] {s}", "row {r}, column {c}: {s}")), start or f"grid {rows}x{columns}, row then column: ")
        text = pick(rng, ("; ", ", ", "\n")).join(way.format(r=i // columns + 1, c=i % columns + 1, s=cells[i]) for i in kept)
    elif style < 0.68:
        start = start or f"{columns} columns A-{'ABC'[columns - 1]}, {rows} rows: "
        text = pick(rng, (", ", "; ", "\n")).join(f"{'ABC'[i % columns]}{i // columns + 1}{pick(rng, (': ', '='))}{cells[i]}" for i in kept)
    elif style < 0.85:
        text = "\n".join(" ".join(f"[{'' if cell == blank else cell}]" for cell in line) for line in lines)
    else:
        text = pick(rng, ("\n", " // ", "\n")).join(pick(rng, (" | ", " | ")).join(line) for line in lines)
    return Whole(start + text + (pick(rng, ("; ", "\n", ". ")) + f"{pick(rng, NAMES['background'])}: {wording}" if wording else ""), things, background)


def article_line(rng: np.random.Generator) -> Whole:
    """'SKU-1234 thumbnail: 1x teapot, teal, centered; backdrop plain white'."""
    background, wording = field_of(rng, none=0.2)
    code = pick(rng, CODES).format(n=int(rng.integers(2, 9999))) + pick(rng, ("", " " + pick(rng, KINDS))) + pick(rng, (": ", " - ", " / "))
    if rng.random() < 0.6:
        (thing,), (field,) = records(rng, 1, placed=0.75)
        rest = [field[key] for key in ("colour", "detail", "position") if key in field]
        text, things = (pick(rng, ("1x {s}", "1 {s}", "{s} x1", "one {s}", "{s}")).format(s=field["subject"]) + "".join(f", {value}" for value in rest), [thing])
    else:
        count = int(rng.integers(2, 7))
        thing = thing_of(rng, coloured=0.8, before_only=True)
        how, places = pick(rng, LAYOUTS[count])
        things = put([thing] * count, places)
        text = pick(rng, ("{n}x {s}", "{n} x {s}", "{s} x{n}", "{n} pcs. {s}", "qty {n} {s}")).format(n=count, s=thing.phrase) + pick(rng, (", ", "; ", ", arranged ")).replace("arranged ", "arrangement: ") + how
    end = pick(rng, ("; backdrop {}", "; bg {}", ", background: {}", " | bg: {}", "; backdrop: {}", ", {} background", ". Setting: {}")).format(wording) if wording and wording != "none" else ""
    return Whole(code + text + end, things, background)


def criteria(rng: np.random.Generator) -> Whole:
    """Questions and answers, acceptance criteria, user stories."""
    count = number_of(rng, most=4)
    things = distinct(rng, count, 0.0 if rng.random() < 0.15 else 0.9)
    things = put(things, [str(place) for place in rng.permutation(pick(rng, SPOTS[count]))])
    background, wording = scenery(rng)
    names, form = [bare(thing) for thing in things], rng.random()
    if 0.3 <= form < 0.6:
        names = [f"one {thing.phrase}" for thing in things]
    where = [AT_PLACE[thing.place] for thing in things]
    pairs = list(zip(names, where, strict=True))
    if form < 0.3:
        q, w = pick(rng, (("Q: ", "A: "), ("", ""), ("- ", ""), ("Question: ", "Answer: ")))
        ask = pick(rng, ("What is {}?", "What do you want {}?", "What goes {}?", "{}?", "Who or what is {}?"))
        lines = [f"{q}{ask.format(p)} {w}{n}{pick(rng, ('.', '', '.'))}" for n, p in pairs]
        lines += [f"{q}{pick(rng, ('Where is it?', 'Background?', 'And the background?', 'What is the setting?'))} {w}{wording}."] if wording else []
        text = pick(rng, ("\n", " ", "\n")).join(lines)
    elif form < 0.6:
        mark = pick(rng, ("AC{}: ", "{}. ", "- ", "{}) ", "Criterion {}: ", "* ", "[{}] "))
        rule = pick(rng, ("there is exactly {n} {p}", "{n} must be {p}", "{n} is shown {p}", "{p}: {n}", "{n} SHALL appear {p}", "exactly {n}, {p}", "I can see {n} {p}"))
        lines = [rule.format(n=n, p=p) for n, p in pairs] + ([pick(rng, ("the whole scene is {}", "the setting is {}", "everything happens {}")).format(wording)] if wording else [])
        lines += [pick(rng, ("nothing else is visible", "no text anywhere", "no other objects", "no people"))] if rng.random() < 0.4 else []
        head = pick(rng, ("Acceptance criteria:\n", "Must have:\n", "", "Definition of done:\n", "Requirements:\n", "The image passes if:\n"))
        text = head + "\n".join(mark.format(i) + line for i, line in enumerate(lines, 1))
    elif form < 0.85:
        wish = " and ".join(f"{n} {p}" for n, p in pairs) + (f", all {wording}" if wording else "")
        text = pick(rng, ("As a {r} I want {w} so that {e}.", "As a {r}, I want to see {w}, so that {e}", "As a {r} I would like {w}, because then {e}.", "User story: as a {r} I need {w} so {e}.")).format(r=pick(rng, ROLES), w=wish, e=pick(rng, REASONS))  # fmt: skip
    else:
        text = pick(rng, ("Given a canvas{s}, when it is opened, then there is {w}", "GIVEN an empty page{s}\nWHEN I look at it\nTHEN I see {w}", "Given a scene{s}\nThen I expect {w}")).format(s=f" {wording}" if wording else "", w=pick(rng, (" and ", "\nAND ")).join(f"{n} {p}" for n, p in pairs))  # fmt: skip
    return Whole(text, things, background)


def tagged(rng: np.random.Generator) -> Whole:
    """Comma-separated tags as picture models are fed: 'red cat, blue dog, beach, 4k'."""
    things = distinct(rng, number_of(rng, most=3), 0.9)
    background, wording = field_of(rng, none=0.2)
    tags = [str(tag) for tag in rng.permutation(TAGS)[: int(rng.integers(0, 4))]]
    tail = [] if wording in ("", "none") else [pick(rng, ("{}", "{} background", "background {}")).format(wording) if background in FIELDS else f"{wording} background"]
    flags = sorted(tags, key=lambda tag: tag.startswith("--"))
    text = ", ".join([thing.phrase for thing in things] + tail + [tag for tag in flags if tag[0] != "-"]) + "".join(f" {tag}" for tag in flags if tag[0] == "-")
    if background and background not in FIELDS and tail:
        background = wording
    return Whole(pick(rng, ("", "", "", "/imagine ", "prompt: ")) + text, put(things, DEFAULT[len(things)]), background)


RECORDS: tuple[tuple[float, Callable[[np.random.Generator], Whole]], ...] = (
    (2, key_values), (2, as_json), (1.8, table), (1.6, spec), (1.3, gridded), (1, article_line), (1.4, criteria), (0.6, tagged),
)  # fmt: skip


def record_brief(rng: np.random.Generator) -> Whole:
    weights = np.array([weight for weight, _ in RECORDS])
    return RECORDS[int(rng.choice(len(weights), p=weights / weights.sum()))][1](rng)
