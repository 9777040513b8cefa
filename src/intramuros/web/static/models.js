// Shows how a download and loads are going, until they are done; sends the file of an adapter or a projector.
import { events, nodes, Refused } from "./events.js";
import { send } from "./send.js";

const live = document.querySelector("[data-live]").dataset.live;
const sends = document.querySelector("form[data-upload]");
let watched = false;

const isDownloading = () => document.querySelector("#download [data-busy]");

if (document.querySelector("[data-busy]")) watch();
if (sends) listen();

async function watch() {
  watched ||= Boolean(isDownloading());
  try {
    const response = await fetch(live, { headers: { Accept: "text/event-stream" } });
    for await (const { name, data } of events(response)) {
      if (name === "rest") return watched && setTimeout(() => location.reload(), 1500);
      if (name === "load") {
        move(data);
        continue;
      }
      document.getElementById(name)?.replaceChildren(nodes(data.html));
      watched ||= Boolean(isDownloading());
    }
  } catch (error) {
    if (error instanceof Refused) return null;
  }
  return setTimeout(watch, 3000);
}

/** How far a load is; a bar without a share only moves. */
function move({ name, share, text, time }) {
  const load = document.querySelector(`[data-load="${CSS.escape(name)}"]`);
  if (!load) return;
  const bar = load.querySelector("progress");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  load.querySelector("[data-text]").textContent = text;
  load.querySelector("[data-time]").textContent = time;
}

/** A chosen file goes as the plain body of its own request; an address goes with the form. */
function listen() {
  const file = document.getElementById("file");
  sends.querySelector("[data-scripted]").hidden = false;
  sends.addEventListener("submit", (event) => {
    if (!file.files.length) return;
    event.preventDefault();
    const asked = new URLSearchParams({ kind: sends.elements.kind.value, name: sends.elements.name.value });
    send(sends, file.files[0], asked, () => location.assign(location.pathname));
  });
}
