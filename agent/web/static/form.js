// The words of the chosen region, or of the whole picture, as a form. It changes a draft and says so.

const field = (id, label, hint, rows = 1) => `
  <label for="${id}">${label}</label>
  <textarea id="${id}" rows="${rows}" maxlength="1000" placeholder="${hint}"></textarea>`;

const REGION = `
  <div class="form-head"><span class="dot"></span><h3></h3><button type="button" data-do="remove">Remove</button></div>
  ${field("f-high", "What is there", "a cat")}
  ${field("f-low", "What it looks like", "orange, striped")}
  <details><summary>More</summary>
    ${field("f-negative", "What must not be there", "a dog")}
    <label for="f-name">Name of this place</label><input id="f-name" maxlength="60">
    <label for="f-strength">How strictly it follows these words <output></output></label>
    <input id="f-strength" type="range" min="0" max="1" step="0.05">
    <label for="f-seed">Seed: another number draws another one</label>
    <div class="pair"><input id="f-seed" type="number" min="0" step="1" placeholder="the picture's own">
      <button type="button" data-do="dice">New number</button></div>
  </details>`;

const SCENE = `
  <details><summary>The whole picture: background, mood, light</summary>
    ${field("f-scene-high", "What is where", "a cat on the left, at night", 2)}
    ${field("f-scene-low", "Mood and light", "dark, starry")}
    ${field("f-scene-negative", "What must not appear anywhere", "blurred")}
    <p class="hint">A change here draws everything again.</p>
  </details>`;

// `on`: edit() after each change of the draft, remove(region).
export function wordForm(regionPart, scenePart, on) {
  let region = null, draft = null;
  regionPart.innerHTML = REGION;
  scenePart.innerHTML = SCENE;
  const at = (part, id) => part.querySelector(`#${id}`);

  const bind = (part, id, write) => at(part, id).addEventListener("input", (event) => {
    write(event.target.value);
    on.edit();
  });
  bind(regionPart, "f-high", (text) => {
    // A place called after its subject goes on being called after it.
    if (region.name === region.prompt.high_level || region.isNew) region.name = text.slice(0, 60) || "new";
    region.prompt.high_level = text;
  });
  bind(regionPart, "f-low", (text) => { region.prompt.low_level = text; });
  bind(regionPart, "f-negative", (text) => { region.negative = text; });
  bind(regionPart, "f-name", (text) => { region.name = text; });
  bind(regionPart, "f-strength", (text) => { region.strength = Number(text); });
  bind(regionPart, "f-seed", (text) => { region.seed = text === "" ? null : Math.max(0, Math.floor(Number(text))); });
  bind(scenePart, "f-scene-high", (text) => { draft.scene.high_level = text; });
  bind(scenePart, "f-scene-low", (text) => { draft.scene.low_level = text; });
  bind(scenePart, "f-scene-negative", (text) => { draft.negative = text; });
  regionPart.querySelector("[data-do=remove]").addEventListener("click", () => on.remove(region));
  regionPart.querySelector("[data-do=dice]").addEventListener("click", () => {
    region.seed = Math.floor(Math.random() * 1e6);
    on.edit();
  });

  const fill = (part, id, text) => {
    const input = at(part, id);
    if (document.activeElement !== input || input.value === "") input.value = text;
  };
  return {
    // region: one of the draft's, or null. locked: nothing can be changed now.
    show(shownDraft, shownRegion, locked) {
      [draft, region] = [shownDraft, shownRegion];
      regionPart.hidden = !region;
      scenePart.hidden = !draft;
      for (const part of [regionPart, scenePart]) {
        for (const input of part.querySelectorAll("input, textarea, button")) input.disabled = locked;
      }
      if (region) {
        regionPart.style.setProperty("--hue", region.hue);
        regionPart.querySelector("h3").textContent = region.name;
        fill(regionPart, "f-high", region.prompt.high_level);
        fill(regionPart, "f-low", region.prompt.low_level);
        fill(regionPart, "f-negative", region.negative);
        fill(regionPart, "f-name", region.name);
        fill(regionPart, "f-strength", region.strength ?? 1);
        regionPart.querySelector("output").textContent = `${Math.round((region.strength ?? 1) * 100)}%`;
        fill(regionPart, "f-seed", region.seed ?? "");
      }
      if (draft) {
        fill(scenePart, "f-scene-high", draft.scene.high_level);
        fill(scenePart, "f-scene-low", draft.scene.low_level);
        fill(scenePart, "f-scene-negative", draft.negative);
      }
    },
    open() { at(regionPart, "f-high").focus(); at(regionPart, "f-high").select(); },
  };
}
