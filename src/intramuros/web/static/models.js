// Shows how the download of a model is going, until it is done.
import { events, nodes, Refused } from "./events.js";

const place = document.getElementById("download");

if (place.hasAttribute("data-busy")) watch();

async function watch() {
  try {
    const response = await fetch(place.dataset.live, { headers: { Accept: "text/event-stream" } });
    for await (const { name, data } of events(response)) {
      if (name === "download") place.replaceChildren(nodes(data.html));
      if (name === "rest") return setTimeout(() => location.reload(), 1500);
    }
  } catch (error) {
    if (error instanceof Refused) return null;
  }
  return setTimeout(watch, 3000);
}
