// The regions as boxes over the picture: dragged, resized and drawn with a pointer or with the keyboard.
// Knows no server: it changes `region.box` ({left, top, right, bottom}, 0 to 1) and says so.

const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const SMALLEST = 0.08; // share of the picture's side
const STEP = 0.02;
export const HUES = [14, 205, 145, 275, 45, 330, 180, 240];

const round = (x) => Math.round(x * 1000) / 1000;
const within = (x, low, high) => Math.min(high, Math.max(low, x));

// The box moved by (dx, dy), whole, and kept on the picture.
function moved(box, dx, dy) {
  const x = within(dx, -box.left, 1 - box.right), y = within(dy, -box.top, 1 - box.bottom);
  return {
    left: round(box.left + x), top: round(box.top + y), right: round(box.right + x), bottom: round(box.bottom + y),
  };
}

// The box with the edges that `handle` names moved by (dx, dy).
function resized(box, handle, dx, dy) {
  const next = { ...box };
  if (handle.includes("w")) next.left = round(within(box.left + dx, 0, box.right - SMALLEST));
  if (handle.includes("e")) next.right = round(within(box.right + dx, box.left + SMALLEST, 1));
  if (handle.includes("n")) next.top = round(within(box.top + dy, 0, box.bottom - SMALLEST));
  if (handle.includes("s")) next.bottom = round(within(box.bottom + dy, box.top + SMALLEST, 1));
  return next;
}

const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

// `layer` lies over the picture. `on`: choose(region|null), change(region), add(box), remove(region), open(region), leave().
export function boxLayer(layer, on) {
  const elements = new Map(); // region id → element
  let regions = [], locked = false, outlining = false;

  const shares = (event) => {
    const frame = layer.getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
  };

  // Follows one pointer from its press to its release; `move(dx, dy)` in shares of the picture.
  function drag(event, target, move, release) {
    const [x, y] = shares(event);
    target.setPointerCapture(event.pointerId);
    const onMove = (e) => { const [nx, ny] = shares(e); move(nx - x, ny - y); };
    const end = (e) => {
      target.removeEventListener("pointermove", onMove);
      target.removeEventListener("pointerup", end);
      target.removeEventListener("pointercancel", end);
      release(e.type === "pointerup");
    };
    target.addEventListener("pointermove", onMove);
    target.addEventListener("pointerup", end);
    target.addEventListener("pointercancel", end);
  }

  function place(element, box) {
    element.style.left = `${box.left * 100}%`;
    element.style.top = `${box.top * 100}%`;
    element.style.width = `${(box.right - box.left) * 100}%`;
    element.style.height = `${(box.bottom - box.top) * 100}%`;
  }

  function element(id) {
    const box = document.createElement("div");
    box.className = "box";
    box.tabIndex = 0;
    box.setAttribute("role", "button");
    box.setAttribute("aria-describedby", "box-keys");
    const label = document.createElement("span");
    label.className = "box-label";
    label.append(document.createElement("b"), " ", document.createElement("i"));
    box.append(label);
    for (const handle of HANDLES) {
      const dot = document.createElement("span");
      dot.className = `handle ${handle}`;
      dot.dataset.handle = handle;
      box.append(dot);
    }
    const own = () => regions.find((region) => region.id === id);
    box.addEventListener("pointerdown", (event) => {
      if (event.button > 0 || outlining) return;
      event.stopPropagation();
      // The first touch selects, or scrolls the page; only a box that is selected follows the finger.
      if (event.pointerType === "touch" && !box.classList.contains("chosen")) return;
      box.focus({ preventScroll: true });
      if (locked) return;
      const region = own(), from = region.box, handle = event.target.dataset.handle;
      drag(event, box, (dx, dy) => {
        region.box = handle ? resized(from, handle, dx, dy) : moved(from, dx, dy);
        place(box, region.box);
      }, () => region.box !== from && on.change(region));
    });
    box.addEventListener("click", (event) => { if (!outlining) { event.stopPropagation(); box.focus({ preventScroll: true }); } });
    box.addEventListener("focus", () => own() && on.choose(own()));
    box.addEventListener("dblclick", () => on.open(own()));
    box.addEventListener("keydown", (event) => {
      const region = own(), arrow = ARROWS[event.key];
      if (event.key === "Escape") on.leave();
      else if (event.key === "Enter" || event.key === " ") on.open(region);
      else if (locked) return;
      else if (event.key === "Delete" || event.key === "Backspace") on.remove(region);
      else if (arrow) {
        region.box = event.shiftKey ? resized(region.box, "se", ...arrow) : moved(region.box, ...arrow);
        place(box, region.box);
        on.change(region);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    layer.append(box);
    return box;
  }

  // A new box, drawn with the mouse on free ground, where a finger scrolls the page; while `outlining` with any
  // pointer, and over other boxes too.
  layer.addEventListener("pointerdown", (event) => {
    if (locked || event.button > 0) return;
    if (!outlining) on.choose(null);
    if (event.pointerType === "touch" && !outlining) return;
    const [x, y] = shares(event), ghost = document.createElement("div");
    let box = null;
    ghost.className = "box ghost";
    layer.append(ghost);
    drag(event, layer, (dx, dy) => {
      const edge = (a, b) => [round(within(Math.min(a, b), 0, 1)), round(within(Math.max(a, b), 0, 1))];
      const [left, right] = edge(x, x + dx), [top, bottom] = edge(y, y + dy);
      box = { left, top, right, bottom };
      place(ghost, box);
    }, (released) => {
      ghost.remove();
      if (released && box && box.right - box.left >= SMALLEST && box.bottom - box.top >= SMALLEST) on.add(box);
    });
  });

  return {
    // regions: [{id, name, box, hue, note}]; chosen: an id or null.
    show(visible, chosen, isLocked, isOutlining) {
      regions = visible;
      locked = isLocked;
      outlining = isOutlining && !locked;
      layer.classList.toggle("outlining", outlining);
      layer.classList.toggle("locked", locked);
      for (const [id, old] of elements) {
        if (!visible.some((region) => region.id === id)) { old.remove(); elements.delete(id); }
      }
      for (const region of visible) {
        if (!elements.has(region.id)) elements.set(region.id, element(region.id));
        const box = elements.get(region.id), { left, top } = region.box;
        place(box, region.box);
        box.style.setProperty("--hue", region.hue);
        box.style.zIndex = region.id === chosen ? 200 : 100 + (region.z_order || 0);
        box.classList.toggle("chosen", region.id === chosen);
        box.classList.toggle("new", !!region.isNew);
        box.querySelector("b").textContent = region.name;
        box.querySelector("i").textContent = region.note || "";
        box.setAttribute("aria-pressed", region.id === chosen);
        box.setAttribute("aria-label", `${region.name}, ${Math.round(left * 100)}% from the left, ` +
          `${Math.round(top * 100)}% from the top`);
      }
    },
    focus(id) { elements.get(id)?.focus({ preventScroll: true }); return elements.has(id); },
  };
}
