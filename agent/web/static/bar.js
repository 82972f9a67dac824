// The line on top: the name, a way to a new picture, and the earlier ones. Plain links, so each window has its own.

function since(seconds) {
  const ago = Date.now() / 1000 - seconds;
  if (ago < 90) return "just now";
  for (const [size, unit] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    const n = Math.floor(ago / size);
    if (n) return `${n} ${unit}${n > 1 ? "s" : ""} ago`;
  }
}

// `on`: remove(id), called once the person has confirmed it.
export function bar(on) {
  const menu = document.querySelector("#past"), list = menu.querySelector("ul"), summary = menu.querySelector("summary");
  const dialog = document.querySelector("#confirm");
  let sessions = [];

  document.addEventListener("click", (event) => { if (!menu.contains(event.target) && !dialog.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { menu.open = false; summary.focus(); }
  });
  menu.addEventListener("toggle", () => { if (menu.open) fill(); });

  function confirm(title) {
    dialog.querySelector("p").textContent = `Delete “${title}” with all its pictures? This cannot be undone.`;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
  }

  function line({ id, title, updated, current, thumbnail }) {
    const entry = document.createElement("li"), link = document.createElement("a"), image = document.createElement("img");
    const words = document.createElement("span"), name = document.createElement("span"), when = document.createElement("small");
    const remove = document.createElement("button");
    link.href = `./?s=${encodeURIComponent(id)}`;
    image.alt = "";
    image.loading = "lazy";
    image.src = thumbnail;
    image.addEventListener("error", () => image.classList.add("none")); // nothing is drawn yet
    name.textContent = title;
    when.textContent = since(updated);
    if (current) link.setAttribute("aria-current", "page");
    words.append(name, when);
    link.append(image, words);
    remove.type = "button";
    remove.className = "delete";
    remove.textContent = "×";
    remove.title = "Delete";
    remove.setAttribute("aria-label", `Delete ${title}`);
    remove.addEventListener("click", async () => {
      if (!await confirm(title)) return;
      await on.remove(id, current);
      summary.focus();
    });
    entry.append(link, remove);
    return entry;
  }
  const fill = () => list.replaceChildren(...sessions.map(line));
  return (now) => {
    sessions = now;
    menu.hidden = !sessions.length;
    if (menu.open) fill();
  };
}
