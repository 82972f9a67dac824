// The conversation: the messages, the line to write in, and the question about changes that are not drawn yet.

const $ = (selector) => document.querySelector(selector);

// `on`: send(text) → whether the line may be emptied; a promise.
export function chat(on) {
  const log = $("#chat"), line = $("#message"), form = $("#say"), question = $("#question"), suggestions = $("#suggestions");
  let answered = null, shown = "", suggested = "[]";

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = line.value;
    if (!text.trim()) { line.focus(); return; }
    line.value = "";
    if (!await on.send(text) && !line.value) line.value = text;
  });
  line.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  const answer = (text) => {
    question.hidden = true;
    answered?.(text);
    answered = null;
    line.focus();
  };
  question.addEventListener("click", (event) => {
    const text = event.target.closest("[data-answer]")?.dataset.answer;
    if (text) answer(text);
  });
  question.addEventListener("keydown", (event) => { if (event.key === "Escape") answer("none"); });

  return {
    show(messages) {
      const now = JSON.stringify(messages);
      if (now === shown) return;
      const more = shown && messages.length >= log.children.length;
      shown = now;
      // What stands there already stays, so that only new messages are read out.
      messages.forEach(({ role, text }, i) => {
        let part = log.children[i];
        if (!part) { part = document.createElement("p"); log.append(part); }
        const kind = `message ${role}`;
        if (part.className !== kind) part.className = kind;
        if (part.textContent !== text) part.textContent = text;
      });
      while (log.children.length > messages.length) log.lastChild.remove();
      document.body.classList.toggle("has-words", messages.length > 0);
      log.scrollTo({ top: log.scrollHeight, behavior: more && !matchMedia("(prefers-reduced-motion: reduce)").matches ? "smooth" : "instant" });
    },
    // Messages that may come next, as buttons that say them.
    suggest(texts) {
      const now = JSON.stringify(texts);
      if (now === suggested) return;
      suggested = now;
      suggestions.replaceChildren(...texts.map((text) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = text;
        button.addEventListener("click", () => on.send(text));
        return button;
      }));
      suggestions.hidden = !texts.length;
      log.scrollTo({ top: log.scrollHeight, behavior: "instant" });
    },
    placeholder(text) { line.placeholder = text; },
    // Resolves to "both", "words" or "none".
    ask(changes) {
      answered?.("none");
      question.querySelector("p").textContent = `Not drawn yet: ${changes.join(", ")}. Draw that too, before your message?`;
      question.hidden = false;
      question.querySelector("button").focus();
      return new Promise((resolve) => { answered = resolve; });
    },
    focus() { line.focus({ preventScroll: true }); },
  };
}
