// A worker that all tabs share: it alone is connected to the balancer, and passes on what it hears. Seven tabs cost the
// balancer what one does.

import { listen } from "./stream.js";

/** As many events as a tab shows. */
const MOST = 200;

const tabs = new Set();
// What a tab that comes later has missed.
let events = [];
let state = null;
let isLost = false;

listen((kind, text) => {
  isLost = kind === "lost" || (isLost && kind !== "state");
  if (kind === "events") events = JSON.parse(text).slice(-MOST);
  else if (kind === "event") events = [...events, JSON.parse(text)].slice(-MOST);
  else if (kind === "state") state = text;
  for (const tab of tabs) tab.postMessage({ kind, text });
});

addEventListener("connect", ({ ports: [tab] }) => {
  tabs.add(tab);
  tab.onmessage = () => tabs.delete(tab);
  tab.postMessage({ kind: "open", text: "" });
  tab.postMessage({ kind: "events", text: JSON.stringify(events) });
  if (state) tab.postMessage({ kind: "state", text: state });
  if (isLost) tab.postMessage({ kind: "lost", text: "" });
});
