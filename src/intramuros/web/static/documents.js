// Sends dropped or chosen files, two at a time, and keeps the shelf's states up to date.
import { csrf, events, nodes, Refused } from "./events.js";

const panel = document.getElementById("documents");
const list = document.getElementById("document-list");
const sending = document.getElementById("sending");
const AT_ONCE = 2;
const queue = [];
let running = 0;
let watching = false;

if (panel.hasAttribute("data-may-add")) listen();
if (document.querySelector("#shelf-summary[data-busy]")) watch();

window.addEventListener("beforeunload", (event) => {
  if (running || queue.length) event.preventDefault();
});

function listen() {
  const drop = document.getElementById("drop");
  for (const id of ["files", "folder"]) {
    const input = document.getElementById(id);
    input.addEventListener("change", () => {
      add([...input.files]);
      input.value = "";
    });
  }
  // Files dropped beside the box must not open in the browser, so the whole page takes them.
  window.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  window.addEventListener("drop", async (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.remove("over");
    add(await dropped(event.dataTransfer));
  });
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesBelow))).flat();
}

async function filesBelow(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...(await Promise.all(some.map(filesBelow))).flat());
  }
  return found;
}

function add(files) {
  for (const file of files.filter((one) => !one.name.startsWith("."))) {
    const row = document.getElementById("new-file").content.firstElementChild.cloneNode(true);
    row.querySelector(".document-name").textContent = file.name;
    say(row, "waiting");
    sending.append(row);
    queue.push({ file, row });
  }
  next();
}

function next() {
  while (running < AT_ONCE && queue.length) {
    running += 1;
    transfer(queue.shift()).finally(() => {
      running -= 1;
      next();
    });
  }
}

/** XMLHttpRequest, because fetch tells nothing about how much of a body has been sent. */
function transfer({ file, row }) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const bar = row.querySelector("progress");
    request.upload.addEventListener("progress", (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      say(row, bar.value < 1 ? "sending" : "stored");
    });
    request.addEventListener("loadend", () => {
      if (request.status === 200 || request.status === 201) row.remove();
      else refused(row, request);
      watch();
      resolve();
    });
    request.open("POST", panel.dataset.add);
    request.setRequestHeader("X-CSRF-Token", csrf());
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.send(file);
  });
}

function refused(row, request) {
  row.querySelector("progress").remove();
  const state = row.querySelector("[data-state]");
  try {
    const { message, hint } = JSON.parse(request.responseText);
    state.textContent = [message, hint].filter(Boolean).join(" ");
  } catch {
    state.textContent = state.dataset.lost;
  }
  state.className = "notice bad small";
  state.setAttribute("role", "alert");
}

function say(row, word) {
  const state = row.querySelector("[data-state]");
  state.textContent = state.dataset[word];
}

/** Follows the shelf until nothing on it is being read; a broken connection is tried again. */
async function watch() {
  if (watching) return;
  watching = true;
  let at_rest = false;
  try {
    const response = await fetch(panel.dataset.live, { headers: { Accept: "text/event-stream" } });
    for await (const { name, data } of events(response)) {
      if (name === "shelf") update(data);
      if (name === "rest") at_rest = true;
    }
  } catch (error) {
    if (error instanceof Refused) return; // signed out, or no longer a member: asking again would not help
  }
  watching = false;
  if (!at_rest || running || queue.length) setTimeout(watch, at_rest ? 500 : 3000);
}

/** Puts in only the rows that changed, so that an opened "remove" and the focus stay where they are. */
function update({ summary, rows, gone }) {
  document.getElementById("shelf-summary").replaceWith(nodes(summary));
  document.querySelector("[data-scope]").textContent = document.getElementById("shelf-summary").dataset.ready;
  for (const id of gone) document.getElementById(`d-${id}`)?.remove();
  for (const { id, html } of rows.reverse()) {
    const row = nodes(html).firstElementChild;
    const known = document.getElementById(`d-${id}`);
    if (!known) list.prepend(row);
    else if (known.dataset.version !== row.dataset.version) known.replaceWith(row);
  }
  const state = list.children.length ? "filled" : "empty";
  for (const words of document.querySelectorAll("[data-shelf]")) words.hidden = words.dataset.shelf !== state;
}
