// The line on top: the name, a way to a new picture, and the earlier ones. Plain links, so each window has its own.

function since(seconds) {
  const ago = Date.now() / 1000 - seconds;
  if (ago < 90) return "just now";
  for (const [size, unit] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    const n = Math.floor(ago / size);
    if (n) return `${n} ${unit}${n > 1 ? "s" : ""} ago`;
  }
}

export function mount({ element, props, watch }) {
  element.innerHTML = `<nav aria-label="Pictures">
    <a id="wordmark" href="./" aria-label="ditpipe, to the first page">ditpipe</a>
    <details id="past"><summary>Earlier pictures</summary><ul></ul></details>
    <a id="new" href="./">New picture</a></nav>`;
  const menu = element.querySelector("#past"), list = menu.querySelector("ul");
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); }
  });
  const show = (sessions) => {
    menu.hidden = !sessions.length;
    list.replaceChildren(...sessions.map(({ id, title, updated, current }) => {
      const item = document.createElement("li"), link = document.createElement("a"), when = document.createElement("small");
      link.href = `./?s=${encodeURIComponent(id)}`;
      link.textContent = title;
      when.textContent = since(updated);
      if (current) link.setAttribute("aria-current", "page");
      link.append(when);
      item.append(link);
      return item;
    }));
  };
  watch("value", () => show(props.value || []));
  show(props.value || []);
}
