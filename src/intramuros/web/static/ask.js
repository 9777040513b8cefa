// Sends the question and shows the answer while it is being written. Without this script the form still works, all at once.
import { csrf, events, nodes, Refused } from "./events.js";

const form = document.getElementById("ask");
const box = form.elements.question;
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const turns = document.getElementById("turns");
const news = document.getElementById("news");
let asking = null;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = box.value.trim();
  if (question && !asking) ask(question);
});

box.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

stop.addEventListener("click", () => asking?.abort());

for (const idea of document.querySelectorAll("[data-question]")) {
  idea.addEventListener("click", () => {
    box.value = idea.dataset.question;
    form.requestSubmit();
  });
}

async function ask(question) {
  asking = new AbortController();
  working(true);
  const turn = begin(question);
  let current = turn;
  try {
    const body = new URLSearchParams(new FormData(form));
    const headers = { "X-CSRF-Token": csrf(), Accept: "text/event-stream" };
    const response = await fetch(form.action, { method: "POST", body, headers, signal: asking.signal });
    for await (const event of events(response)) current = show(current, event) ?? current;
    if (current.hasAttribute("aria-busy")) fail(current, "broken");
  } catch (error) {
    if (current.hasAttribute("aria-busy")) fail(current, asking.signal.aborted ? "stopped" : "broken", error);
  } finally {
    asking = null;
    working(false);
  }
}

function begin(question) {
  document.getElementById("ideas")?.remove();
  const turn = document.getElementById("new-turn").content.firstElementChild.cloneNode(true);
  turn.querySelector(".question").textContent = question;
  news.textContent = turn.querySelector("[data-step]").textContent;
  turns.prepend(turn);
  return turn;
}

/** Applies one event; returns the article that took the turn's place when the answer is complete. */
function show(turn, { name, data }) {
  if (name === "step") {
    turn.querySelector("[data-step]").textContent = data.text;
    if (!data.quiet) news.textContent = data.text; // a load that goes on is not read out each half second
  }
  if (name === "blocks") replaceBlocks(turn.querySelector(".prose"), data);
  if (name === "done") return finish(turn, data);
  if (name === "problem") {
    turn.querySelector(".step")?.remove();
    turn.querySelector(".answer").append(nodes(data.html));
    turn.removeAttribute("aria-busy");
  }
  return null;
}

/** Blocks before `from` stay as they are: what has been read does not flicker. */
function replaceBlocks(prose, { from, blocks }) {
  while (prose.children.length > from) prose.lastElementChild.remove();
  for (const html of blocks) {
    const block = document.createElement("div");
    block.className = "block";
    block.append(nodes(html));
    prose.append(block);
  }
}

function finish(turn, { html, talks, conversation, announcement }) {
  const article = nodes(html).querySelector("article");
  turn.replaceWith(article);
  document.getElementById("talks").replaceWith(nodes(talks));
  news.textContent = announcement;
  box.value = "";
  if (form.elements.conversation.value !== conversation.id) goOn(conversation);
  return article;
}

/** The first answer begins a conversation: what is asked next belongs to it, until a new one is begun. */
function goOn({ id, href }) {
  const label = form.querySelector("label[for=question]");
  form.elements.conversation.value = id;
  label.textContent = label.dataset.followUp;
  document.getElementById("anew").hidden = false;
  history.replaceState(null, "", href);
}

function fail(turn, template, error) {
  turn.querySelector(".step")?.remove();
  const notice = document.getElementById(template).content.cloneNode(true);
  if (error instanceof Refused && error.message) notice.querySelector("p").textContent = error.message;
  turn.querySelector(".answer").append(notice);
  turn.removeAttribute("aria-busy");
}

function working(on) {
  stop.hidden = !on;
  send.hidden = on;
  if (on) stop.focus({ preventScroll: true });
  else box.focus({ preventScroll: true });
}
