// Where the page hears from: a worker that all tabs of this browser share, or where there is none, a stream of its own.

import { listen } from "./stream.js";

/** Hears for ever. */
export function hearFrom(hear) {
  let alone = false;
  const listenAlone = () => {
    if (!alone) listen(hear);
    alone = true;
  };
  if (typeof SharedWorker === "undefined") {
    listenAlone();
    return;
  }
  const worker = new SharedWorker("/page/hub.js", { type: "module", name: "evenkeel" });
  worker.addEventListener("error", listenAlone);
  worker.port.onmessage = ({ data: { kind, text } }) => {
    if (!alone) hear(kind, text);
  };
  addEventListener("pagehide", () => worker.port.postMessage("bye"));
  // A page that comes back from the browser's cache has said goodbye.
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload();
  });
}
