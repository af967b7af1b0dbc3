// The certificates: in calm one line, which opens; what has ended or could not be taken up is an alarm and stands open.

import { byId, counted, duration, element, say } from "./words.js";

/** From how long before its end on it is time to do something. Lists of revoked clients are made anew each day. */
const SOON = { certificate: 14 * 86_400_000, client_authority: 14 * 86_400_000, client_revocations: 2 * 3_600_000 };

const LOOKS = {
  ended: { symbol: "✕", word: "has ended" },
  soon: { symbol: "▲", word: "ends soon" },
  holds: { symbol: "●", word: "holds" },
};

function look({ kind, left_ms: left }) {
  if (left <= 0) return "ended";
  return left < SOON[kind] ? "soon" : "holds";
}

function left({ left_ms: ms }) {
  return ms > 0 ? `${duration(ms)} left` : `for ${duration(-ms)}`;
}

export class Certificates {
  #drawn = "";

  show(certificates) {
    const panel = byId("certificates");
    panel.hidden = !certificates;
    if (!certificates) return;
    const { shown, known, problems } = certificates;
    const looks = shown.map(look);
    const worst = ["ended", "soon", "holds"].find((one) => looks.includes(one)) ?? "holds";
    const isAlarm = worst === "ended" || problems.length > 0;
    panel.dataset.look = isAlarm ? "ended" : worst;
    say(byId("certificates-summary"), this.#summary(shown, known, problems, looks));
    const drawn = JSON.stringify([problems, shown.map((one) => [one.name, one.hosts, left(one)])]);
    if (drawn === this.#drawn) return;
    // What is alarming is not to be looked for; who closes it has seen it.
    if (isAlarm) panel.open = true;
    this.#drawn = drawn;
    byId("certificate-problems").replaceChildren(
      ...problems.map((problem) => element("li", {}, `✕ Not taken up, what was there before still holds: ${problem}`)),
    );
    byId("certificate-rows").replaceChildren(...shown.map((one, index) => row(one, looks[index])));
  }

  #summary(shown, known, problems, looks) {
    const ended = looks.filter((one) => one === "ended").length;
    if (ended > 0) return `✕ ${counted(known, "certificate")}, ${ended} of them ended: clients refuse what has ended`;
    if (problems.length > 0) return `✕ ${counted(known, "certificate")}, ${counted(problems.length, "file")} not taken up`;
    const first = `the first ends in ${duration(shown[0].left_ms)}`;
    return `${LOOKS[looks[0]].symbol} ${counted(known, "certificate")}, ${first}`;
  }
}

function row(one, looks) {
  const { symbol, word } = LOOKS[looks];
  return element(
    "li",
    { "data-look": looks },
    element("span", { class: "state" }, `${symbol} ${word}`),
    element("b", {}, one.name),
    element("span", {}, one.hosts.join(", ")),
    element("time", { datetime: new Date(one.ends_ms).toISOString() }, left(one)),
  );
}
