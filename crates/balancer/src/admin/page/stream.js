// The balancer's events, for one listener: a tab, or the worker that all tabs share.
//
//   hear("open") ─▶ hear("events" | "state" | "event" | "incident" | "request", text) … ─▶ hear("lost") ─▶ hear("open") …

const KINDS = ["events", "state", "event", "incident", "request"];

/** A state comes each second. Without one for this long, the balancer is lost, whatever the connection says. */
const SILENT_MS = 3500;

/** Between two attempts to find it again. */
const AGAIN_MS = 2000;

/** How long a new connection has until it has told something. */
const PATIENCE_MS = 6000;

/** Listens for ever. */
export function listen(hear) {
  let events = null;
  let heardAt = 0;
  let openedAt = 0;
  let isLost = false;

  function lost() {
    if (isLost) return;
    isLost = true;
    hear("lost", "");
  }

  function open() {
    events?.close();
    openedAt = performance.now();
    events = new EventSource("/api/events");
    for (const kind of KINDS) events.addEventListener(kind, ({ data }) => heard(kind, data));
    events.addEventListener("error", () => {
      lost();
      // The browser gives up on an answer that is an error; this page does not.
      if (events.readyState === EventSource.CLOSED) setTimeout(open, AGAIN_MS);
    });
    events.addEventListener("open", () => hear("open", ""));
  }

  function heard(kind, data) {
    heardAt = performance.now();
    isLost = false;
    hear(kind, data);
  }

  setInterval(() => {
    const silent = performance.now() - heardAt;
    if (heardAt && silent > SILENT_MS) lost();
    // A connection whose other end has vanished says nothing for ever.
    if (silent > PATIENCE_MS && performance.now() - openedAt > PATIENCE_MS) open();
  }, 500);
  open();
}
