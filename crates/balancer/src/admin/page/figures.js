// The figures: name, value, what stands below it. Counts are of the last five minutes, so that what is over does not look as
// if it went on; how many there were since the start stands below.

import { amount, byId, element, latency, say } from "./words.js";

/** Shows them. */
export function figures(state) {
  const { now, totals, lately, endpoints } = state;
  const usable = endpoints.filter((endpoint) => endpoint.usable).length;
  const inFlight = endpoints.reduce((sum, endpoint) => sum + endpoint.in_flight, 0);
  const lost = (counts) => counts.failed + counts.truncated;
  const redirected = lately.redirected > 0 ? `, ${amount(lately.redirected)} sent elsewhere in 5 min` : "";
  const turnedAway = lately.turned_away > 0 ? `, ${amount(lately.turned_away)} turned away in 5 min` : "";
  const all = [
    ["Requests a second", amount(now.requests), `${amount(totals.requests)} since the start${turnedAway}${redirected}`, false],
    ["Latency, median", latency(now.p50_ms), `p99 ${latency(now.p99_ms)}`, false],
    ["Serving", `${usable} of ${state.known}`, usable === 0 ? "nobody takes requests" : "servers take requests", usable === 0],
    ["Failed for clients", amount(lost(lately)), `in 5 min; ${amount(lost(totals))} since the start`, lost(lately) > 0],
    ["Saved by another server", amount(lately.masked), `in 5 min; ${amount(totals.masked)} since the start`, false],
    ["In flight", amount(inFlight), `${amount(state.connections)} clients, ${amount(state.waiting)} waiting`, false],
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
