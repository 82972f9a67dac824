// Rows of small pictures: the film of everything drawn so far, and candidates side by side.

export const percent = (score) => score == null ? "not judged" : `${Math.round(score * 100)}%`;

function frame({ picture, caption, scores, current, label }, onPick) {
  const button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  button.className = "frame";
  button.classList.toggle("current", !!current);
  button.setAttribute("aria-current", !!current);
  image.src = picture;
  image.alt = "";
  image.loading = "lazy";
  const title = document.createElement("span");
  title.className = "frame-title";
  title.textContent = caption;
  title.title = caption;
  button.append(image, title);
  const list = document.createElement("span");
  list.className = "frame-scores";
  for (const region of scores || []) {
    const row = document.createElement("span");
    row.className = "score";
    row.style.setProperty("--share", region.score ?? 0);
    row.title = region.problem || `looks like: ${region.seen}`;
    row.textContent = `${region.name} ${percent(region.score)}`;
    list.append(row);
  }
  button.append(list);
  button.setAttribute("aria-label", label || caption);
  button.addEventListener("click", onPick);
  return button;
}

// Shows `frames` in `row`, rebuilt only when they differ from what is there.
export function filmstrip(row, onPick) {
  let shown = "";
  return (frames) => {
    const now = JSON.stringify(frames);
    row.closest("section").hidden = !frames.length;
    if (now === shown) return;
    shown = now;
    const focused = [...row.children].indexOf(document.activeElement);
    row.replaceChildren(...frames.map((entry) => frame(entry, () => onPick(entry))));
    if (focused >= 0) row.children[Math.min(focused, row.children.length - 1)]?.focus({ preventScroll: true });
    // Only the row itself scrolls; the page stays where it is.
    const current = row.querySelector(".current");
    if (current) row.scrollLeft = current.offsetLeft - row.clientWidth + current.clientWidth + 16;
  };
}
