// The words of the chosen region, or of the whole picture, as a form. It changes a draft and says so.

// `on`: edit() after each change of the draft, named(region) once a name is written, remove(region).
export function wordForm(regionPart, scenePart, on) {
  let region = null, draft = null;
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
  bind(regionPart, "f-lettering", (text) => { region.lettering = text; });
  bind(regionPart, "f-name", (text) => { region.name = text; });
  bind(regionPart, "f-strength", (text) => { region.strength = Number(text); });
  bind(regionPart, "f-seed", (text) => { region.seed = text === "" ? null : Math.max(0, Math.floor(Number(text))); });
  bind(scenePart, "f-scene-high", (text) => { draft.scene.high_level = text; });
  bind(scenePart, "f-scene-low", (text) => { draft.scene.low_level = text; });
  bind(scenePart, "f-style", (text) => { draft.style = text; });
  bind(scenePart, "f-scene-negative", (text) => { draft.negative = text; });
  regionPart.querySelector("[data-do=remove]").addEventListener("click", () => on.remove(region));
  regionPart.querySelector("[data-do=dice]").addEventListener("click", () => {
    region.seed = Math.floor(Math.random() * 1e6);
    on.edit();
  });

  at(regionPart, "f-name").addEventListener("change", () => on.named(region));

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
        // Read-only and not disabled, where that is possible: a disabled field loses the focus.
        for (const input of part.querySelectorAll("textarea, input:not([type=range])")) input.readOnly = locked;
        for (const input of part.querySelectorAll("button, input[type=range]")) input.disabled = locked;
      }
      if (region) {
        regionPart.style.setProperty("--hue", region.hue);
        regionPart.querySelector("h2").textContent = region.name;
        fill(regionPart, "f-high", region.prompt.high_level);
        fill(regionPart, "f-low", region.prompt.low_level);
        fill(regionPart, "f-negative", region.negative);
        fill(regionPart, "f-lettering", region.lettering ?? "");
        fill(regionPart, "f-name", region.name);
        fill(regionPart, "f-strength", region.strength ?? 1);
        regionPart.querySelector("output").textContent = `${Math.round((region.strength ?? 1) * 100)}%`;
        fill(regionPart, "f-seed", region.seed ?? "");
      }
      if (draft) {
        fill(scenePart, "f-scene-high", draft.scene.high_level);
        fill(scenePart, "f-scene-low", draft.scene.low_level);
        fill(scenePart, "f-style", draft.style ?? "");
        fill(scenePart, "f-scene-negative", draft.negative);
      }
    },
    // The words of the chosen region, with the picture left in view as far as the window allows.
    open(id = "f-high") {
      const input = at(regionPart, id) || at(scenePart, id);
      const more = input.closest("details");
      if (more) more.open = true;
      input.focus({ preventScroll: true });
      input.select?.();
      input.scrollIntoView({ block: "nearest" });
    },
    // What is missing, beside the field `id`; null: nothing is.
    complain(text, id) {
      const place = regionPart.querySelector(".missing");
      place.textContent = text || "";
      place.hidden = !text;
      for (const input of regionPart.querySelectorAll("textarea, input")) {
        if (text && input.id === id) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
      }
    },
  };
}
