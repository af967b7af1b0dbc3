// The live page: hears the balancer's events and hands them to what shows them.
//
//   /api/events ── history, events ──▶ charts, time line       (once, on each connection)
//               ── state, event ─────▶ everything              (as they come)
//
// The browser reconnects by itself; whatever was missed comes with the next connection.

import { Charts } from "./charts.js";
import { Control } from "./control.js";
import { Servers } from "./servers.js";
import { TheSet } from "./set.js";
import { Timeline } from "./timeline.js";
import { amount, bytes, duration, element, latency, say } from "./words.js";

/** Without a state for this long, what is shown is no longer true. */
const STALE_MS = 5000;

const control = new Control();
const views = { set: new TheSet(), charts: new Charts(), servers: new Servers(control), timeline: new Timeline() };
let heardAt = 0;

const events = new EventSource("/api/events");
events.addEventListener("history", (event) => views.charts.begin(JSON.parse(event.data)));
events.addEventListener("events", (event) => {
  const kept = JSON.parse(event.data);
  views.timeline.begin(kept);
  views.charts.mark(kept, true);
});
events.addEventListener("event", (event) => {
  const one = JSON.parse(event.data);
  views.timeline.add(one);
  views.charts.mark([one], false);
});
events.addEventListener("state", (event) => {
  heardAt = performance.now();
  show(JSON.parse(event.data));
});
events.addEventListener("error", () => {
  status("bad", "Not connected; trying again …");
  // The browser gives up on an answer that is an error; this page does not.
  if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 2000);
});
setInterval(() => {
  if (heardAt && performance.now() - heardAt > STALE_MS) status("bad", "No news for some seconds; trying again …");
}, 1000);

function show(state) {
  document.title = state.ready ? `Evenkeel: ${amount(state.now.requests)}/s` : "Evenkeel: not ready";
  say(byId("about"), `${state.name} ${state.version} · ${state.policy.replaceAll("_", " ")} · up ${duration(state.uptime_ms)}`);
  if (state.leaving) status("bad", "Leaving");
  else if (state.ready) status("ready", "Ready");
  else status("bad", "No server is usable");
  control.allowed(!state.read_only);
  figures(state);
  views.set.show(state);
  views.charts.add(state.now);
  views.servers.show(state.endpoints);
}

function status(kind, text) {
  byId("status").dataset.kind = kind;
  say(byId("status"), text);
}

/** The figures above everything: name, value, what stands below it, whether it is bad news. */
function figures(state) {
  const { now, totals, endpoints } = state;
  const usable = endpoints.filter((endpoint) => endpoint.usable).length;
  const inFlight = endpoints.reduce((sum, endpoint) => sum + endpoint.in_flight, 0);
  const all = [
    ["Requests a second", amount(now.requests), `${amount(totals.requests)} so far`, false],
    ["Latency, median", latency(now.p50_ms), "half are faster", false],
    ["Latency, p99", latency(now.p99_ms), "99 of 100 are faster", false],
    ["Servers in use", `${usable} of ${endpoints.length}`, usable === 0 ? "nobody serves" : "take new requests", usable === 0],
    ["Failed for clients", amount(totals.failed + totals.truncated), "no answer, or half of one", totals.failed + totals.truncated > 0],
    ["Masked", amount(totals.masked), "failed once, answered rightly", false],
    ["In flight", amount(inFlight), `${amount(state.waiting)} waiting`, state.waiting > 0],
    ["Clients connected", amount(state.connections), `of ${amount(state.max_connections)}`, false],
    ["Sent", bytes(totals.bytes_out), `${bytes(totals.bytes_in)} received`, false],
  ];
  const list = byId("figures");
  if (list.children.length === 0) {
    for (const [name] of all) {
      list.append(element("div", {}, element("dt", {}, name), element("dd", {}, element("span"), element("small"))));
    }
  }
  all.forEach(([, value, below, bad], index) => {
    const box = list.children[index];
    box.classList.toggle("bad", bad);
    say(box.querySelector("span"), value);
    say(box.querySelector("small"), below);
  });
}

function byId(id) {
  return document.getElementById(id);
}

// The settings change only with a restart, and then the page connects anew.
events.addEventListener("open", async () => {
  const answer = await fetch("/api/state");
  if (!answer.ok) return;
  const { settings } = await answer.json();
  byId("settings-rows").replaceChildren(
    ...settings.map(({ variable, value, default: unset, help }) =>
      element(
        "tr",
        { class: unset ? "default" : "set" },
        element("td", {}, element("code", {}, variable)),
        element("td", {}, value),
        element("td", {}, help),
      ),
    ),
  );
});
