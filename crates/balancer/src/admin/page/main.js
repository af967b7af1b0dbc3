// The live page: hears the balancer and hands what it says to whatever shows it.
//
//   /api/state, /api/incidents, /api/requests ──▶ what was      (once, on each connection)
//   state, event, incident, request ────────────▶ what comes
//
// Nothing that is shown is true without the balancer: when it is lost, the page says so and turns grey.

import { Certificates } from "./certificates.js";
import { Charts } from "./charts.js";
import { Control } from "./control.js";
import { figures } from "./figures.js";
import { Servers } from "./servers.js";
import { TheSet } from "./set.js";
import { Settings } from "./settings.js";
import { everybody } from "./standing.js";
import { hearFrom } from "./source.js";
import { Story } from "./story.js";
import { Tap } from "./tap.js";
import { Timeline } from "./timeline.js";
import { amount, byId, clock, duration, say } from "./words.js";

const control = new Control();
const story = new Story();
const certificates = new Certificates();
const settings = new Settings(reread);
const views = { set: new TheSet(), charts: new Charts(), servers: new Servers(control), timeline: new Timeline(), tap: new Tap() };
let latest = null;
let isLost = false;

hearFrom((kind, text) => {
  switch (kind) {
    case "open":
      return begin();
    case "lost":
      return lose();
    case "events":
      return views.timeline.begin(JSON.parse(text));
    case "event":
      return views.timeline.add(JSON.parse(text));
    case "incident":
      story.add(JSON.parse(text));
      return refresh();
    case "request":
      return views.tap.add([JSON.parse(text)]);
    case "state":
      latest = JSON.parse(text);
      isLost = false;
      views.charts.add(latest.now);
      return refresh();
  }
});

/** Asks for what was before. A failure is no news: the stream says whether the balancer is there. */
async function begin() {
  const [state, incidents, requests] = await Promise.all(["state", "incidents", "requests"].map(get));
  if (requests) views.tap.begin(requests.requests);
  if (incidents) story.begin(incidents.incidents);
  if (!state) return;
  views.charts.begin(state.history);
  settings.begin(state.settings, state.settled);
  latest = state;
  isLost = false;
  refresh();
}

/** Other settings are in force. */
async function reread() {
  const state = await get("state");
  if (state) settings.begin(state.settings, state.settled);
}

async function get(what) {
  const answer = await fetch(`/api/${what}`).catch(() => null);
  return answer?.ok ? answer.json().catch(() => null) : null;
}

function lose() {
  isLost = true;
  show();
}

// A tab that nobody sees draws nothing; it catches up when it is looked at.
addEventListener("visibilitychange", refresh);

function refresh() {
  if (latest && !document.hidden) show();
}

function show() {
  document.body.toggleAttribute("data-lost", isLost);
  if (!latest) {
    status("lost", "The balancer does not answer; trying again …");
    return;
  }
  const state = latest;
  const servers = everybody(state, story.struck());
  if (isLost) {
    document.title = "Evenkeel: lost";
    status("lost", `Lost at ${clock(state.at_ms)} UTC, trying again …`);
  } else if (state.leaving) status("bad", "Leaving");
  else if (state.ready) status("ready", "Ready");
  else status("bad", "No server is serving");
  if (!isLost) document.title = state.ready ? `Evenkeel: ${amount(state.now.requests)}/s` : "Evenkeel: not ready";
  say(byId("about"), `${state.name} ${state.version} · ${state.policy.replaceAll("_", " ")} · up ${duration(state.uptime_ms)}`);
  control.allowed(!state.read_only && !isLost, state.read_only);
  story.show(state, servers, isLost);
  figures(state);
  certificates.show(state.certificates);
  settings.show(state.settled);
  views.set.show(state, servers);
  views.charts.show(story.alarms());
  views.servers.show(servers);
}

function status(kind, text) {
  byId("status").dataset.kind = kind;
  say(byId("status"), text);
}
