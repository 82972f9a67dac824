// The page of ditpipe: keeps what the server sent, and the draft, a copy of its plan with changes that are not drawn yet.
// A new stamp from the server replaces the draft.

import { bar } from "./bar.js";
import { boxLayer, HUES } from "./boxes.js";
import { bare, differences, summary, unfinished } from "./changes.js";
import { chat } from "./chat.js";
import { filmstrip, percent } from "./film.js";
import { wordForm } from "./form.js";
import { follow, request } from "./server.js";

const $ = (selector) => document.querySelector(selector);
const SVG = "http://www.w3.org/2000/svg";
const SIDE = 0.3; // of a box that Add makes
const MIDDLES = [0.5, 0.8, 0.2].flatMap((y) => [0.5, 0.8, 0.2].map((x) => [x, y])); // where it may stand, the best first

let state = { session: null, busy: null, messages: [], sessions: [], problem: "", about: null, unknown: false };
let id = new URLSearchParams(location.search).get("s") || "";
let stamp = null, draft = null, kept = null, chosen = null, peek = null, fresh = 0;
let showsBoxes = true, outlining = false, loaded = false, reached = true, renamed = null, lastFocus = null;

const session = () => state.session;
const region = () => draft?.regions.find((entry) => entry.id === chosen) ?? null;
const changes = () => differences(session()?.plan, draft, !!session()?.waiting);
const busy = () => (reached ? state.busy : null);

// --- what the person does -----------------------------------------------------------------------------------------

function problem(text) {
  $("#problem span").textContent = text;
  $("#problem").hidden = !text;
}

async function attempt(doing) {
  problem("");
  try {
    await doing();
    return true;
  } catch (error) {
    problem(error.message);
    return false;
  }
}

const act = (action) => attempt(() => request("POST", "act", { session: id, action }));

async function send(message) {
  const texts = changes();
  let plan = null;
  if (texts.length && !busy()) {
    if (complain()) return false;
    const answer = await conversation.ask(texts);
    if (answer === "none") return false;
    if (answer === "both") plan = bare(draft);
  }
  return attempt(async () => {
    const sent = { message, session: id, approve: $("#approve input").checked, plan, summary: summary(texts) };
    const answer = await request("POST", "message", sent);
    if (answer.session !== id) go(answer.session);
  });
}

function go(to) {
  id = to;
  history.replaceState(null, "", id ? `?s=${encodeURIComponent(id)}` : location.pathname);
  watch(id);
}

// Shows what is missing before the draft can be drawn; whether something is.
function complain() {
  const open = unfinished(draft);
  form.complain(null);
  if (!open) return false;
  if (open.region) { choose(open.region); form.complain(open.text, open.field); } else problem(open.text);
  if (open.field) form.open(open.field);
  return true;
}

function choose(entry) {
  if (chosen === (entry?.id ?? null)) return;
  chosen = entry?.id ?? null;
  form.complain(null);
  paint();
}

function remove(entry) {
  draft.regions = draft.regions.filter((other) => other !== entry);
  chosen = null;
  paint();
  $(".boxes .box")?.focus({ preventScroll: true });
}

// The first of the places in which a new box hides no other by half; the middle if there is none.
function freeBox() {
  const places = MIDDLES.map(([x, y]) => ({ left: x - SIDE / 2, top: y - SIDE / 2, right: x + SIDE / 2, bottom: y + SIDE / 2 }));
  const overlap = (low, high, a, b) => Math.max(0, Math.min(high, b) - Math.max(low, a));
  const hides = (place) => draft.regions.some(({ box }) =>
    overlap(place.left, place.right, box.left, box.right) * overlap(place.top, place.bottom, box.top, box.bottom)
      > 0.5 * (box.right - box.left) * (box.bottom - box.top));
  return places.find((place) => !hides(place)) || places[0];
}

function add(box) {
  fresh += 1;
  outlining = false;
  const names = draft.regions.map((entry) => entry.name);
  let name = "new", n = 1;
  while (names.includes(name)) name = `new ${n += 1}`;
  const top = Math.max(0, ...draft.regions.map((entry) => entry.z_order || 0));
  draft.regions.push({
    id: `new ${fresh}\u0000`, isNew: true, hue: HUES[draft.regions.length % HUES.length], name, box,
    prompt: { high_level: "", low_level: "" }, negative: "", z_order: Math.min(100, top + 1), seed: null,
  });
  chosen = draft.regions.at(-1).id;
  showsBoxes = true;
  paint();
  form.open();
}

// A name alone changes nothing in the picture: the server is told at once, and nothing is drawn.
async function named(entry) {
  const name = entry?.name.trim();
  if (!entry || entry.isNew || session().waiting || name === entry.id) return;
  const open = unfinished(draft);
  if (open?.field === "f-name") { complain(); return; }
  form.complain(null);
  renamed = { from: entry.id, to: name };
  entry.name = name;
  if (!await act({ do: "rename", name: entry.id, to: name })) renamed = null;
}

function takeUp() {
  draft = session()?.plan ? structuredClone(session().plan) : null;
  draft?.regions.forEach((entry, i) => Object.assign(entry, { id: entry.name, hue: HUES[i % HUES.length] }));
}

function discard() {
  peek = null;
  outlining = false;
  takeUp();
  form.complain(null);
  chosen = draft?.regions.some((entry) => entry.id === chosen) ? chosen : null;
  paint();
}

const DO = {
  draw() {
    if (!complain()) act({ do: "draw", plan: bare(draft), message: summary(changes()) });
  },
  discard,
  add() { add(freeBox()); },
  outline() { outlining = !outlining; showsBoxes = true; paint(); },
  boxes() { showsBoxes = !showsBoxes; paint(); },
};

const conversation = chat({ send });
const showSessions = bar({
  async remove(gone, current) {
    if (await attempt(() => request("DELETE", `session/${encodeURIComponent(gone)}`)) && current) location.assign("./");
  },
});
const boxes = boxLayer($(".boxes"), {
  choose, add, remove, change: () => paint(), open: (entry) => { choose(entry); form.open(); },
  leave: () => { if (outlining) DO.outline(); else discard(); },
});
const form = wordForm($(".region-words"), $(".scene-words"), {
  edit: () => { form.complain(null); paint(); }, named, remove,
});
const film = filmstrip($(".film"), (frame) => {
  if (frame.round) { peek = peek?.picture === frame.picture ? null : frame; paint(); } else act({ do: "show", number: frame.number });
});
const candidates = filmstrip($(".candidates"), (frame) => act({ do: "choose", number: frame.number }));

$("#workspace").addEventListener("click", (event) => {
  const name = event.target.closest("[data-do]")?.dataset.do;
  if (!name || name === "remove" || name === "dice") return;
  if (DO[name]) DO[name](); else act({ do: name });
});
$("#workspace").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.closest(".words textarea, .words input") && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (event.target.id === "f-name") event.target.dispatchEvent(new Event("change"));
    else if (changes().length && !busy()) DO.draw();
  } else if (event.key === "Escape" && event.target.closest(".words")) boxes.focus(chosen);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && outlining) { DO.outline(); return; }
  if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
  if (event.target.closest("input, textarea")) return;
  event.preventDefault();
  if (changes().length) discard();
  else if (event.shiftKey ? session()?.can.redo : session()?.can.undo) act({ do: event.shiftKey ? "redo" : "undo" });
});
$("#problem button").addEventListener("click", () => problem(""));
$("#approve input").addEventListener("change", sentence);
$(".saves select").addEventListener("change", paint);
$("img.picture").addEventListener("load", sizes);

// What has the focus keeps it: a button that is hidden or disabled meanwhile gets it back after drawing.
document.addEventListener("focusin", (event) => { lastFocus = event.target; });
document.addEventListener("pointerdown", () => { lastFocus = null; }, { capture: true });
function restoreFocus() {
  if (!lastFocus || busy() || (document.activeElement && document.activeElement !== document.body)) return;
  const usable = lastFocus.isConnected && !lastFocus.disabled && lastFocus.getClientRects().length;
  if (usable) lastFocus.focus({ preventScroll: true });
  else if (chosen && boxes.focus(chosen)) return;
  else conversation.focus();
}

// --- what is shown ------------------------------------------------------------------------------------------------

// The sentence of the empty page says what the tick makes of the next message.
function sentence() {
  $("#approve-means").textContent = $("#approve input").checked
    ? "You see the layout first; nothing is drawn until you agree. Then say what to change."
    : "It is drawn at once; then say what to change.";
}

function paintPicture(turn) {
  const src = turn?.preview || peek?.picture || session()?.picture, image = $(".picture");
  image.hidden = !src;
  if (src && image.getAttribute("src") !== src) image.src = src;
  image.alt = session()?.alt || "";
  $(".canvas").style.aspectRatio = draft ? `${draft.width} / ${draft.height}` : "1";
  $(".canvas").classList.toggle("blank", !src);
}

function paintBusy(turn) {
  $(".busy").hidden = !turn;
  if (!turn) return;
  const text = $(".busy span");
  if (text.textContent !== turn.text) text.textContent = turn.text;
  $(".busy [data-do=stop]").hidden = !turn.stoppable;
  const progress = $(".busy progress");
  if (turn.total) progress.value = turn.done / turn.total; else progress.removeAttribute("value");
}

function paintPending(turn) {
  const texts = changes(), waiting = !!session()?.waiting, pending = $(".pending");
  pending.hidden = !!turn || !(texts.length || waiting || peek);
  pending.querySelector("[data-do=discard]").hidden = !texts.length && !peek;
  pending.querySelector("[data-do=discard]").textContent = texts.length ? "Put back" : "Back to the picture";
  pending.querySelector("[data-do=draw]").hidden = !!peek && !texts.length;
  pending.querySelector("[data-do=draw]").textContent = waiting ? "Draw it" : "Draw this";
  const text = texts.length ? texts.join(", ")
    : waiting ? "This is the layout. Drag the boxes until you like it." : peek ? "An earlier try, only to look at." : "";
  if (pending.querySelector("span").textContent !== text) pending.querySelector("span").textContent = text;
}

function sizes() {
  const { naturalWidth: width, naturalHeight: height } = $("img.picture"), menu = $(".saves select");
  if (!width || busy()) return;
  const key = `${width}x${height}`;
  if (menu.dataset.of === key) return;
  menu.dataset.of = key;
  menu.replaceChildren(...[1, 2, 4].map((scale) => {
    const option = document.createElement("option");
    option.value = scale;
    option.textContent = `${width * scale} × ${height * scale}`;
    return option;
  }));
}

function paint() {
  const turn = busy(), locked = !!turn || !reached, now = session();
  const opening = id && !loaded;
  $(".welcome").hidden = !!(now?.plan || turn || opening || !loaded);
  $(".work").hidden = !(now?.plan || turn);
  document.body.classList.toggle("has-picture", !!(now?.plan || turn));
  $("#lost-server").hidden = reached;
  const first = now?.plan?.regions[0]?.name;
  conversation.placeholder(first ? `make the ${first} orange …` : now?.plan ? "same but at night …" : "a red cat on the left …");
  conversation.suggest(locked ? [] : now?.suggestions || []);
  if (locked) outlining = false;
  paintPicture(turn);
  paintBusy(turn);
  paintPending(turn);
  const scores = Object.fromEntries((now?.scores || []).map((score) => [score.name, score]));
  const blank = $(".canvas").classList.contains("blank");
  const note = (entry) => blank ? entry.prompt.low_level : scores[entry.id] && !peek ? percent(scores[entry.id].score) : "";
  boxes.show((draft?.regions || []).map((entry) => Object.assign(entry, { note: note(entry) })), chosen, locked, outlining);
  $(".boxes").hidden = !showsBoxes && !now?.waiting;
  form.show(draft, region(), locked);
  film(now?.film || []);
  candidates(now?.candidates || []);
  for (const [name, allowed] of Object.entries({
    undo: now?.can.undo, redo: now?.can.redo, again: now?.picture && !now.waiting,
    more: now?.picture && !now.waiting, add: !!draft, outline: !!draft,
  })) $(`.tools [data-do=${name}]`).disabled = locked || !allowed;
  $("[data-do=boxes]").setAttribute("aria-pressed", showsBoxes);
  $("[data-do=outline]").setAttribute("aria-pressed", outlining);
  $(".saves").hidden = !now?.picture;
  const scale = $(".saves select").value || "1";
  for (const link of document.querySelectorAll("[data-save]")) {
    const kind = link.dataset.save;
    link.href = now ? `${now.saves[kind]}${kind === "png" && scale !== "1" ? `?scale=${scale}` : ""}` : "#";
  }
  sizes();
  requestAnimationFrame(restoreFocus);
}

function sketch(ground, shapes) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 100 100");
  drawing.setAttribute("preserveAspectRatio", "xMidYMid slice");
  drawing.setAttribute("aria-hidden", "true");
  for (const [fill, x, y, width, height] of [[ground, 0, 0, 100, 100], ...shapes]) {
    const shape = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ fill, x, y, width, height, rx: width < 100 ? 7 : 0 })) shape.setAttribute(name, value);
    drawing.append(shape);
  }
  return drawing;
}

function showAbout({ notice, draws, examples }) {
  $("#notice").textContent = notice;
  $("#notice").hidden = !notice;
  $(".draws").hidden = !draws;
  $(".draws p").textContent = draws;
  $(".cards").replaceChildren(...examples.map(({ brief, ground, boxes: shapes }) => {
    const card = document.createElement("button"), frame = document.createElement("span"), words = document.createElement("span");
    card.type = "button";
    card.className = "card";
    frame.className = "sketch";
    frame.append(sketch(ground, shapes));
    words.className = "card-text";
    words.textContent = brief;
    card.append(frame, words);
    card.addEventListener("click", () => send(brief));
    return card;
  }));
}

function take(parts) {
  state = { ...state, ...parts };
  loaded = true;
  if (parts.about) showAbout(parts.about);
  if (parts.problem) problem(parts.problem);
  if (parts.sessions) showSessions(parts.sessions);
  if (state.unknown && id) { $(".lost").hidden = false; go(""); }
  if (session()) $(".lost").hidden = true;
  const now = session()?.stamp ?? "";
  if (now !== stamp) {
    const before = region();
    // What is being drawn may be stopped or fail: then the draft that was sent is there again.
    if (now.endsWith("/pending") && !stamp?.endsWith("/pending")) kept = { stamp, draft };
    const back = kept?.stamp === now && kept.draft;
    stamp = now;
    peek = null;
    const same = renamed && session()?.plan?.regions.some((entry) => entry.name === renamed.to);
    if (same && draft) {
      // Only a name is new: what else is changed by hand stays.
      for (const entry of draft.regions) if (entry.id === renamed.from) entry.id = renamed.to;
      if (chosen === renamed.from) chosen = renamed.to;
      renamed = null;
    } else if (back) draft = back;
    else takeUp();
    if (!now.endsWith("/pending")) kept = null;
    if (!draft?.regions.some((entry) => entry.id === chosen)) {
      // A new box is known by its name once it is drawn.
      chosen = draft?.regions.find((entry) => entry.name === before?.name)?.id ?? null;
    }
  }
  document.title = session()?.title ? `${session().title} · ditpipe` : "ditpipe";
  paint();
  conversation.show(state.messages);
}

const watch = follow({ state: take, reached(now) { if (reached !== now) { reached = now; paint(); } } });
sentence();
watch(id);
if (!matchMedia("(pointer: coarse)").matches) conversation.focus();
