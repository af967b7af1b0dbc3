// The shapes of the picture: a band of traffic, a box, a server, a cell.

import { STANDINGS, isGhost } from "./standing.js";
import { drawn } from "./words.js";

const SERVER_HEIGHT = 38;

/** Traffic as a band whose width is its share, with motes that run faster the more there is. */
export function band(svg, [x1, y1], [x2, y2], { share, rate, standing }) {
  const bend = (x2 - x1) / 2;
  const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const group = drawn("g", { "data-standing": standing });
  if (rate > 0) {
    group.append(drawn("path", { class: "flow", d, "stroke-width": (2 + 12 * share).toFixed(1) }));
    const motes = drawn("path", { class: "motes", d, "stroke-width": (2 + 3 * share).toFixed(1) });
    const seconds = Math.min(4, Math.max(0.35, 2.4 / Math.log10(10 + rate)));
    motes.style.animationDuration = `${seconds.toFixed(2)}s`;
    // A picture that is drawn anew each second must not start its motes anew each second.
    motes.style.animationDelay = `-${((performance.now() / 1000) % seconds).toFixed(2)}s`;
    group.append(motes);
  } else {
    group.append(drawn("path", { class: "still", d }));
    if (standing === "ejected" || isGhost(standing)) {
      const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
      group.append(drawn("path", { class: "cut", d: `M${x - 6} ${y - 6}l12 12m0 -12l-12 12` }));
    }
  }
  svg.append(group);
}

/** The clients, or the balancer: a title and two lines. */
export function box(svg, [x, y, width], title, [first, second], isCentre) {
  const text = (dy, words, look) => drawn("text", { x: x + width / 2, y: y + dy, "text-anchor": "middle", class: look }, words);
  svg.append(
    drawn("rect", { class: isCentre ? "box centre" : "box", x, y: y - 34, width, height: 68, rx: 10 }),
    text(-12, title, "strong"),
    text(6, first, "soft"),
    text(22, second, "soft"),
  );
}

/** A server, or servers of one standing: name, address, what it does. One that is gone is drawn as a ghost. */
export function serverBox(svg, [x, y, width], row, narrow) {
  const group = drawn("g", { "data-standing": row.standing, "data-server": row.title });
  const text = (dx, dy, words, look) => drawn("text", { x: x + dx, y: y + dy, class: look }, words);
  const shape = isGhost(row.standing) ? "server-box ghost" : "server-box";
  group.append(
    drawn("rect", { class: shape, x, y: y - SERVER_HEIGHT / 2, width, height: SERVER_HEIGHT, rx: 8 }),
    text(9, 5, STANDINGS[row.standing].symbol, "symbol"),
    text(28, -3, shortened(row.title, narrow ? 13 : 24), "strong"),
    text(28, 13, row.detail, "soft"),
  );
  if (!narrow) {
    for (const [dy, words] of [[-3, row.address], [13, row.more]]) {
      const more = text(width - 9, dy, words, "soft");
      more.setAttribute("text-anchor", "end");
      group.append(more);
    }
  }
  svg.append(group);
}

/** The end of a long name tells more than its beginning: evenkeel-server-2. */
function shortened(name, most) {
  return name.length <= most ? name : `…${name.slice(1 - most)}`;
}

/** A server as a cell. What serves without traffic is paler than what works. */
export function cell(svg, [x, y, size], standing, isBusy, words) {
  const opacity = standing === "serving" && !isBusy ? 0.45 : 0.9;
  const rect = { class: isGhost(standing) ? "cell ghost" : "cell", "data-standing": standing, x, y, width: size, height: size, rx: 2, "fill-opacity": opacity };
  svg.append(drawn("rect", rect, drawn("title", {}, words)));
}
