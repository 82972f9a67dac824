// Rows of small pictures: the film of everything drawn so far, and candidates side by side.

export const percent = (score) => score == null ? "not judged" : `${Math.round(score * 100)}%`;

function frame({ picture, caption, scores, score, current, label }, onPick) {
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
  button.append(image, title);
  const list = document.createElement("span");
  list.className = "frame-scores";
  for (const one of scores || []) {
    const row = document.createElement("span");
    row.className = "score";
    row.style.setProperty("--share", one.score ?? 0);
    row.title = one.problem || `looks like: ${one.seen}`;
    row.textContent = `${one.name} ${percent(one.score)}`;
    list.append(row);
  }
  if (!(scores || []).length && score != null) list.textContent = percent(score);
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
    row.replaceChildren(...frames.map((one) => frame(one, () => onPick(one))));
    // Only the row itself scrolls; the page stays where it is.
    const current = row.querySelector(".current");
    if (current) row.scrollLeft = current.offsetLeft - row.clientWidth + current.clientWidth + 16;
  };
}
