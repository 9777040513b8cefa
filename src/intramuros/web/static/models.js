// Shows how the download of a model is going, until it is done.
import { events, nodes } from "./events.js";

const place = document.getElementById("download");

if (place.hasAttribute("data-busy")) watch();

async function watch() {
  try {
    const response = await fetch(place.dataset.live);
    for await (const { name, data } of events(response)) {
      if (name === "download") place.replaceChildren(nodes(data.html));
      if (name === "rest") return setTimeout(() => location.reload(), 1500);
    }
  } catch {
    // Tried again below.
  }
  return setTimeout(watch, 3000);
}
