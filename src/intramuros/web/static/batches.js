// Sends the file of a new batch, and shows how far batches are, until all of them are over.
import { events, nodes, Refused } from "./events.js";
import { send } from "./send.js";

const place = document.getElementById("batches");
const begins = document.querySelector("form[data-upload]");

if (place.querySelector("[data-busy]")) watch();
if (begins) listen();

async function watch() {
  try {
    const response = await fetch(place.dataset.live, { headers: { Accept: "text/event-stream" } });
    for await (const { name, data } of events(response)) {
      // The failures of one that is over stand on its page, which is made anew.
      if (name === "rest") return "thenReload" in place.dataset && location.reload();
      place.replaceChildren(nodes(data.html));
    }
  } catch (error) {
    if (error instanceof Refused) return null;
  }
  return setTimeout(watch, 3000);
}

/** A chosen file goes as the plain body of its own request; one that was sent before is named by the form. */
function listen() {
  const [chosen, sent, refused] = ["#new-file", "#file", "[data-refused]"].map((one) => begins.querySelector(one));
  begins.addEventListener("submit", (event) => {
    if (sent?.value && !chosen.files.length) return;
    event.preventDefault();
    if (chosen.files.length) {
      const asked = new URLSearchParams({ endpoint: begins.elements.endpoint.value });
      send(begins, chosen.files[0], asked, ({ address }) => location.assign(address));
    } else {
      refused.textContent = begins.dataset.nothing;
      refused.hidden = false;
      chosen.focus();
    }
  });
}
