// The server: one stream of events in, small JSON requests out.

const GIVE_UP = 2000; // milliseconds until a closed stream is opened again

// Follows a session ("" for none). `on`: state(parts) with what changed, reached(isReached).
export function follow(on) {
  let source = null, session = null, timer = 0;

  function open() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(`ditpipe/events?s=${encodeURIComponent(session)}`);
    source.addEventListener("state", (event) => { on.reached(true); on.state(JSON.parse(event.data)); });
    source.addEventListener("error", () => {
      on.reached(false);
      // Some browsers try again by themselves, others give up after a refused connection.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, GIVE_UP);
    });
  }
  // A window that nobody sees holds no connection; what it missed comes when it is looked at again.
  document.addEventListener("visibilitychange", () => {
    if (session === null) return;
    if (document.hidden) { clearTimeout(timer); source?.close(); } else open();
  });
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted && session !== null) open(); });
  return (id) => { if (session !== id) { session = id; open(); } };
}

// Returns the answer. Throws an Error whose message is for people.
export async function request(method, path, body) {
  let response;
  try {
    response = await fetch(`ditpipe/${path}`, {
      method, headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body),
    });
  } catch {
    throw new Error("The server does not answer. Try again in a moment.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail || answer.error?.message || `The server answered ${response.status}.`);
  return answer;
}
