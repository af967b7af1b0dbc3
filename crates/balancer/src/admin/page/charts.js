// The last minutes, a point a second: rate, latency, errors, repeated work. Vertical marks are incidents that nobody meant.
// The picture has a description in words, and what lies under the pointer is read out above it.

import { amount, byId, clock, counted, drawn, element, latency, say } from "./words.js";

/** The points that fit, a second apart. */
const POINTS = 300;
const WIDTH = 600;
const HEIGHT = 160;
/** Room above the highest value, for its line. */
const HEADROOM = 6;

const CHARTS = [
  {
    title: "Requests a second",
    show: amount,
    least: 10,
    series: [{ field: "requests", name: "requests", look: "first", filled: true }],
  },
  {
    title: "Latency",
    show: latency,
    least: 1,
    series: [
      { field: "p50_ms", name: "median", look: "first" },
      { field: "p99_ms", name: "p99", look: "second" },
    ],
  },
  {
    title: "Errors a second",
    show: amount,
    least: 1,
    series: [{ field: "errors", name: "errors", look: "alarm", filled: true }],
  },
  {
    title: "Moved, hedged a second",
    show: amount,
    least: 1,
    series: [
      { field: "moves", name: "moved", look: "second" },
      { field: "hedges", name: "hedged", look: "third" },
    ],
  },
];

export class Charts {
  #points = [];
  #charts;

  constructor() {
    this.#charts = CHARTS.map((chart) => new Chart(chart));
    byId("charts").append(...this.#charts.map((chart) => chart.node));
  }

  /** Starts over with the minutes before. */
  begin(points) {
    this.#points = points.slice(-POINTS);
  }

  add(point) {
    const last = this.#points.at(-1);
    // A state that came early, because of an event, tells of a part of a second only.
    if (last && point.at_ms - last.at_ms < 700) return;
    this.#points.push(point);
    this.#points.splice(0, this.#points.length - POINTS);
  }

  /** Draws them, with marks at these times. */
  show(marks) {
    const end = this.#points.at(-1)?.at_ms ?? Date.now();
    const shown = marks.filter((at) => end - at < POINTS * 1000);
    for (const chart of this.#charts) chart.draw(this.#points, shown, end);
  }
}

class Chart {
  #what;
  #points = [];
  #end = 0;
  #under = null;
  #readout = element("span", { class: "readout" });
  #svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #most = element("span");
  #marks = drawn("path", { class: "mark" });
  #cursor = drawn("path", { class: "cursor" });
  #lines = [];

  constructor(what) {
    this.#what = what;
    const keys = what.series.length > 1 ? what.series.map(({ name, look }) => element("span", { class: `key ${look}` }, `${name} `)) : [];
    this.node = element(
      "figure",
      { class: "chart panel" },
      element("figcaption", {}, element("strong", {}, what.title), this.#readout),
      this.#svg,
      element("div", { class: "axis", "aria-hidden": "true" }, element("span", {}, "5 min ago"), element("span", {}, ...keys), element("span", {}, this.#most)),
    );
    this.#svg.append(drawn("path", { class: "grid", d: `M0 ${HEIGHT - 0.5}H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEADROOM}H${WIDTH}` }), this.#marks);
    for (const { look, filled } of what.series) {
      const area = filled ? drawn("path", { class: `area ${look}` }) : null;
      const line = drawn("path", { class: `series ${look}` });
      const dots = drawn("path", { class: `dots ${look}` });
      if (area) this.#svg.append(area);
      this.#svg.append(line, dots);
      this.#lines.push({ line, dots, area });
    }
    this.#svg.append(this.#cursor);
    this.#svg.addEventListener("pointermove", (event) => {
      const { left, width } = this.#svg.getBoundingClientRect();
      this.#under = (event.clientX - left) / width;
      this.#read();
    });
    this.#svg.addEventListener("pointerleave", () => {
      this.#under = null;
      this.#read();
    });
  }

  draw(points, marks, end) {
    this.#points = points;
    this.#end = end;
    const { series, show, least, title } = this.#what;
    const values = points.flatMap((point) => series.map(({ field }) => point[field] ?? 0));
    const most = ceiling(Math.max(least, ...values));
    const x = (at) => WIDTH - ((end - at) / (POINTS * 1000)) * WIDTH;
    const y = (value) => HEIGHT - (value / most) * (HEIGHT - HEADROOM);
    series.forEach(({ field }, index) => {
      const { line, dots, area } = this.#lines[index];
      const runs = stretches(points, field).map((run) => run.map((point) => `${x(point.at_ms).toFixed(1)} ${y(point[field]).toFixed(1)}`));
      line.setAttribute("d", runs.map((run) => `M${run.join("L")}`).join(""));
      // A line through one point cannot be seen.
      dots.setAttribute("d", runs.filter((run) => run.length === 1).map(([only]) => `M${only}h.01`).join(""));
      const under = (run) => `M${run.join("L")}V${HEIGHT}H${run[0].split(" ")[0]}Z`;
      area?.setAttribute("d", runs.map(under).join(""));
    });
    this.#marks.setAttribute("d", marks.map((at) => `M${x(at).toFixed(1)} 0V${HEIGHT}`).join(""));
    this.node.classList.toggle("zero", values.every((value) => value === 0));
    say(this.#most, `top: ${show(most)}`);
    const last = points.at(-1);
    const words = series.map(({ field, name }) => `${name} now ${show(last?.[field])}`).join(", ");
    this.#svg.setAttribute("aria-label", `${title}, last five minutes: ${words}; highest ${show(Math.max(0, ...values))}; ${counted(marks.length, "incident")}.`);
    this.#read();
  }

  /** Reads out the point under the pointer, or the last one. */
  #read() {
    const at = this.#under === null ? this.#end : this.#end - (1 - this.#under) * POINTS * 1000;
    const nearest = this.#points.reduce((best, point) => (best && Math.abs(best.at_ms - at) <= Math.abs(point.at_ms - at) ? best : point), null);
    const { series, show } = this.#what;
    const values = nearest ? series.map(({ field }) => show(nearest[field])).join(" · ") : "";
    say(this.#readout, this.#under === null || !nearest ? values : `${clock(nearest.at_ms)}: ${values}`);
    this.#cursor.setAttribute("d", this.#under === null ? "" : `M${(this.#under * WIDTH).toFixed(1)} 0V${HEIGHT}`);
  }
}

/** The points that belong together: a line is lifted where there is nothing to show. */
function stretches(points, field) {
  const runs = [];
  let before = null;
  for (const point of points) {
    if (point[field] === null) {
      before = null;
      continue;
    }
    if (before !== null && point.at_ms - before <= 5000) runs.at(-1).push(point);
    else runs.push([point]);
    before = point.at_ms;
  }
  return runs;
}

/** The next round number: 1, 2 or 5 times a power of ten. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
