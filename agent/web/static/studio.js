// The right side of the page: the picture, its boxes, its words and its history. `mount` is called by page.py.
//
// What the server says comes as one value (view.py); what the person does goes back as one 'act' {do, …}. Changes that
// are not drawn yet live in `draft`, a copy of the plan; a new stamp from the server replaces it.

import { boxLayer, HUES } from "./boxes.js";
import { filmstrip, percent } from "./film.js";
import { wordForm } from "./form.js";

const SKELETON = `
  <div class="welcome" hidden></div>
  <div class="work" hidden>
    <div class="canvas">
      <img class="picture" alt="">
      <div class="boxes" aria-label="Regions of the picture"></div>
      <p class="sr" id="box-keys">Arrow keys move it, Shift and arrow keys resize it, Delete removes it, Enter opens its words.</p>
    </div>
    <div class="busy" role="status" aria-live="polite" hidden>
      <div class="busy-line"><span></span><button type="button" data-do="stop">Stop</button></div>
      <progress max="1"></progress>
    </div>
    <div class="pending" hidden><span></span>
      <button type="button" class="quiet" data-do="discard">Put back</button>
      <button type="button" class="go" data-do="draw"></button></div>
    <div class="tools" role="toolbar" aria-label="Picture">
      <button type="button" data-do="undo" title="Ctrl+Z">Undo</button>
      <button type="button" data-do="redo" title="Ctrl+Shift+Z">Redo</button>
      <button type="button" data-do="add" title="A new box; say what is in it">Add</button>
      <button type="button" data-do="boxes" aria-pressed="true">Boxes</button>
      <button type="button" data-do="again" title="The same plan, drawn from other noise">Try again</button>
      <button type="button" data-do="more" title="Four pictures of this plan to choose from">Four versions</button>
      <span class="saves"><a data-save="png" download title="The picture as PNG">Save</a><a data-save="zip" download title="Every picture, the plan and the conversation, as a zip">Save all</a></span>
    </div>
    <section class="strip" hidden><h3>Choose one</h3><div class="row candidates"></div></section>
    <div class="words region-words" hidden></div>
    <div class="words scene-words" hidden></div>
    <section class="strip" hidden><h3>So far</h3><div class="row film"></div></section>
  </div>`;

export function mount({ element, props, watch, act }) {
  element.innerHTML = SKELETON;
  const $ = (selector) => element.querySelector(selector);
  let value = {}, stamp = null, draft = null, chosen = null, showsBoxes = true, peek = null, fresh = 0;

  const region = () => draft?.regions.find((one) => one.id === chosen) ?? null;
  const choose = (one) => { if (chosen !== (one?.id ?? null)) { chosen = one?.id ?? null; paint(); } };
  const remove = (one) => {
    draft.regions = draft.regions.filter((other) => other !== one);
    chosen = null;
    paint();
    $(".boxes .box")?.focus({ preventScroll: true });
  };
  const add = (box) => {
    fresh += 1;
    const names = draft.regions.map((one) => one.name);
    let name = "new", n = 1;
    while (names.includes(name)) name = `new ${n += 1}`;
    const hue = HUES[draft.regions.length % HUES.length];
    const top = Math.max(0, ...draft.regions.map((one) => one.z_order || 0));
    draft.regions.push({
      id: `new-${fresh}`, isNew: true, hue, name, box, prompt: { high_level: "", low_level: "" }, negative: "",
      z_order: Math.min(100, top + 1), seed: null,
    });
    chosen = `new-${fresh}`;
    paint();
    form.open();
  };
  const boxes = boxLayer($(".boxes"), {
    choose, add, remove,
    change: () => paint(),
    open: (one) => { choose(one); form.open(); },
    leave: () => discard(),
  });
  const form = wordForm($(".region-words"), $(".scene-words"), { edit: () => paint(), remove });
  const film = filmstrip($(".film"), (one) => {
    if (one.round) { peek = peek?.picture === one.picture ? null : one; paint(); } else act({ do: "show", number: one.number });
  });
  const candidates = filmstrip($(".candidates"), (one) => act({ do: "choose", number: one.number }));

  // What the server would be sent: the plan without what only the page knows.
  const bare = (plan) => plan && {
    ...plan,
    regions: plan.regions.map(({ id, hue, isNew, note, ...own }) => own),
  };
  // What differs from the server's plan, in words.
  function differences() {
    if (!draft) return [];
    const old = new Map(value.plan.regions.map((one) => [one.name, one])), said = [];
    for (const one of draft.regions) {
      const was = old.get(one.id), [now] = bare({ regions: [one] }).regions;
      if (one.isNew) said.push(`${one.name} added`);
      else if (JSON.stringify(was.box) !== JSON.stringify(now.box)) said.push(`${one.name} moved`);
      else if (JSON.stringify(was) !== JSON.stringify(now)) said.push(`${one.name} changed`);
    }
    for (const name of old.keys()) if (!draft.regions.some((one) => one.id === name)) said.push(`${name} removed`);
    const scene = (plan) => JSON.stringify([plan.scene, plan.negative]);
    if (scene(draft) !== scene(value.plan)) said.push("whole picture changed");
    return said;
  }
  const unfinished = () => draft?.regions.find((one) => !one.prompt.high_level.trim() || !one.name.trim());
  const takeUp = () => {
    draft = value.plan && structuredClone(value.plan);
    draft?.regions.forEach((one, i) => Object.assign(one, { id: one.name, hue: HUES[i % HUES.length] }));
  };
  const discard = () => { peek = null; takeUp(); chosen = draft?.regions.some((one) => one.id === chosen) ? chosen : null; paint(); };

  const DO = {
    draw() {
      const open = unfinished();
      if (open) { choose(open); form.open(); return; }
      act({ do: "draw", plan: bare(draft), message: differences().join(", ") });
    },
    discard,
    add() {
      const free = { left: 0.35, top: 0.35, right: 0.65, bottom: 0.65 };
      add(free);
    },
    boxes() { showsBoxes = !showsBoxes; paint(); },
  };
  element.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (!name || name === "remove" || name === "dice") return;
    if (DO[name]) DO[name](); else act({ do: name });
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.closest(".words") && !event.shiftKey && differences().length) {
      event.preventDefault();
      DO.draw();
    } else if (event.key === "Escape" && event.target.closest(".words")) boxes.focus(chosen);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
    if (event.target.closest("input, textarea")) return;
    event.preventDefault();
    if (differences().length) discard();
    else if (event.shiftKey ? value.can?.redo : value.can?.undo) act({ do: event.shiftKey ? "redo" : "undo" });
  });

  function paintPicture(busy) {
    const src = busy?.preview || peek?.picture || value.picture, image = $(".picture");
    image.hidden = !src;
    if (src && image.getAttribute("src") !== src) image.src = src;
    image.alt = value.alt || "";
    $(".canvas").style.aspectRatio = draft ? `${draft.width} / ${draft.height}` : "1";
    $(".canvas").classList.toggle("blank", !src);
  }

  function paintBusy(busy) {
    $(".busy").hidden = !busy;
    if (!busy) return;
    $(".busy span").textContent = busy.text;
    $(".busy [data-do=stop]").hidden = !busy.stoppable;
    const bar = $(".busy progress");
    if (busy.total) bar.value = busy.done / busy.total; else bar.removeAttribute("value");
  }

  function paintPending(busy) {
    const said = differences(), bar = $(".pending"), offer = !busy && (said.length > 0 || value.waiting || peek);
    bar.hidden = !offer;
    bar.querySelector("[data-do=discard]").hidden = !said.length && !peek;
    bar.querySelector("[data-do=discard]").textContent = said.length ? "Put back" : "Back to the picture";
    bar.querySelector("[data-do=draw]").hidden = !!peek && !said.length;
    bar.querySelector("[data-do=draw]").textContent = value.waiting ? "Draw it" : "Draw this";
    bar.querySelector("span").textContent = said.length ? said.join(", ")
      : value.waiting ? "This is the layout. Drag the boxes until you like it." : peek ? "An earlier try, only to look at." : "";
  }

  function paint() {
    const busy = value.busy, locked = !!busy;
    const opening = new URLSearchParams(location.search).has("s") && !value.session && !value.unknown;
    $(".welcome").hidden = !!(value.plan || busy || opening);
    $(".work").hidden = !(value.plan || busy);
    document.body.classList.toggle("has-picture", !!(value.plan || busy));
    const line = document.querySelector("#message textarea");
    if (line) line.placeholder = value.plan ? "make the cat orange …" : "a red cat on the left …";
    paintPicture(busy);
    paintBusy(busy);
    paintPending(busy);
    const scores = Object.fromEntries((value.scores || []).map((one) => [one.name, one]));
    const blank = $(".canvas").classList.contains("blank");
    const notes = (one) => blank ? one.prompt.low_level : scores[one.id] && !peek ? percent(scores[one.id].score) : "";
    boxes.show((draft?.regions || []).map((one) => Object.assign(one, { note: notes(one) })), chosen, locked);
    $(".boxes").hidden = !showsBoxes && !value.waiting;
    form.show(draft, region(), locked);
    film(value.film || []);
    candidates(value.candidates || []);
    for (const [name, allowed] of Object.entries({
      undo: value.can?.undo, redo: value.can?.redo, again: value.picture && !value.waiting,
      more: value.picture && !value.waiting, add: !!draft,
    })) $(`.tools [data-do=${name}]`).disabled = locked || !allowed;
    $("[data-do=boxes]").setAttribute("aria-pressed", showsBoxes);
    for (const link of element.querySelectorAll("[data-save]")) {
      link.hidden = !value.picture;
      link.href = value.saves?.[link.dataset.save] || "#";
    }
  }

  function take(next) {
    value = next || {};
    const moved = value.stamp !== stamp;
    if (moved) {
      stamp = value.stamp;
      peek = null;
      takeUp();
      if (!draft?.regions.some((one) => one.id === chosen)) chosen = null;
    }
    const wanted = value.session ? `?s=${value.session}` : value.unknown ? "" : location.search;
    if (location.search !== wanted) history.replaceState(null, "", wanted || location.pathname);
    document.title = value.title ? `${value.title} · ditpipe` : "ditpipe";
    welcome(value.examples || [], value.draws);
    if ($(".lost")) $(".lost").hidden = !value.unknown;
    paint();
    if (moved) setTimeout(latest, 300);
  }

  // The newest message is the one to read, also after a reload.
  function latest() {
    for (const part of document.querySelectorAll("#chat, #chat *")) {
      if (part.scrollHeight > part.clientHeight + 1 && getComputedStyle(part).overflowY !== "visible") part.scrollTop = part.scrollHeight;
    }
  }

  function welcome(examples, draws) {
    const place = $(".welcome");
    if (!examples.length) return;
    place.innerHTML = `<p class="lost" hidden>The picture of that address is not here any more.</p><h2>What shall I paint?</h2>
      <p>Describe a picture in your own words. You see the layout first, then the picture; then say what to change.</p>
      <div class="cards"></div><details class="draws"><summary>What can I ask for?</summary><p></p></details>`;
    $(".draws").hidden = !draws;
    $(".draws p").textContent = draws || "";
    for (const { brief, sketch } of examples) {
      const card = document.createElement("button");
      card.type = "button";
      card.className = "card";
      card.innerHTML = `<span class="sketch">${sketch}</span><span class="card-text"></span>`;
      card.querySelector(".card-text").textContent = brief;
      card.addEventListener("click", () => act({ do: "say", message: brief }));
      place.querySelector(".cards").append(card);
    }
  }

  window.ditpipe = { pending: () => (differences().length && !unfinished() ? { plan: bare(draft) } : null) };
  watch("value", () => take(props.value));
  take(props.value);
}
