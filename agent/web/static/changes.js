// What a draft changes in a plan, in words. Pure.

// The plan as the server knows it: without what only the page adds to regions.
export const bare = (plan) => plan && {
  ...plan, regions: plan.regions.map(({ id, hue, isNew, note, ...own }) => own),
};

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const called = (words, empty) => words.trim() || empty;

// "star: negative green": what is different about a region that was there before.
function regionChanges(was, now, names) {
  const texts = [];
  if (!same(was.box, now.box)) texts.push(`${was.name} moved`);
  if (was.prompt.high_level !== now.prompt.high_level) texts.push(`${was.name}: ${called(now.prompt.high_level, "nothing")}`);
  if (was.prompt.low_level !== now.prompt.low_level) texts.push(`${was.name}: ${called(now.prompt.low_level, "no looks")}`);
  if (was.negative !== now.negative) texts.push(`${was.name}: ${now.negative.trim() ? `negative ${now.negative.trim()}` : "no negative"}`);
  if ((was.lettering ?? "") !== (now.lettering ?? "")) texts.push(`${was.name}: ${now.lettering ? `reads "${now.lettering}"` : "no text"}`);
  if ((was.strength ?? 1) !== (now.strength ?? 1)) texts.push(`${was.name}: strength ${Math.round((now.strength ?? 1) * 100)}%`);
  if (was.seed !== now.seed) texts.push(`${was.name}: ${now.seed == null ? "the picture's seed" : `seed ${now.seed}`}`);
  if (names && was.name !== now.name && was.prompt.high_level === now.prompt.high_level) texts.push(`${was.name}: called ${now.name}`);
  return texts;
}

// Every difference between the server's plan and the draft that has to be drawn, and with `names` new names too. A
// draft's region has the name it had as its `id`.
export function differences(plan, draft, names = false) {
  if (!plan || !draft) return [];
  const old = new Map(plan.regions.map((region) => [region.name, region])), texts = [];
  for (const region of draft.regions) {
    if (region.isNew) texts.push(`${region.name} added`);
    else texts.push(...regionChanges(old.get(region.id), bare({ regions: [region] }).regions[0], names));
  }
  for (const name of old.keys()) if (!draft.regions.some((region) => region.id === name)) texts.push(`${name} removed`);
  const whole = "whole picture";
  if (plan.scene.high_level !== draft.scene.high_level) texts.push(`${whole}: ${called(draft.scene.high_level, "nothing")}`);
  if (plan.scene.low_level !== draft.scene.low_level) texts.push(`${whole}: ${called(draft.scene.low_level, "no mood")}`);
  if ((plan.style ?? "") !== (draft.style ?? "")) texts.push(`${whole}: ${called(draft.style ?? "", "no style")}`);
  if ((plan.negative || "") !== (draft.negative || "")) texts.push(`${whole}: ${draft.negative.trim() ? `negative ${draft.negative.trim()}` : "no negative"}`);
  return texts;
}

// The summary of a turn: the film's caption and the message in the conversation.
export const summary = (texts) => texts.join(", ").slice(0, 900);

// What keeps a draft from being drawn: {region, field, text}, or null.
export function unfinished(draft) {
  for (const region of draft?.regions || []) {
    if (!region.prompt.high_level.trim()) {
      return { region, field: "f-high", text: region.isNew ? "Say what is in the new box, then draw it." : `Say what “${region.name}” shows, or remove it.` };
    }
    const name = region.name.trim();
    if (!name) return { region, field: "f-name", text: "Give this place a name." };
    if (draft.regions.some((other) => other !== region && other.name.trim() === name)) {
      return { region, field: "f-name", text: `Two places are called “${name}”; give this one another name.` };
    }
  }
  if (draft && !draft.scene.high_level.trim()) return { region: null, field: "f-scene-high", text: "Say what the whole picture shows." };
  return null;
}
