// Reads a stream of events sent as the body of a response: "event: name", "data: {json}", empty line.

/** The server said no; `words` are what it said, to be shown. */
export class Refused extends Error {}

/** Yields {name, data} of each event until the stream ends. Throws Refused when the server answers with an error. */
export async function* events(response) {
  if (!response.ok) {
    const { message, hint } = await response.json().catch(() => ({}));
    throw new Refused([message, hint].filter(Boolean).join(" "));
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const whole = rest.split("\n\n");
      rest = whole.pop();
      for (const text of whole) {
        const event = parsed(text);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(text) {
  let name = "message";
  let data = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return data ? { name, data: JSON.parse(data) } : null;
}

/** The token every changing request carries. */
export const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? "";

/** Turns HTML made by this server into nodes. */
export function nodes(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
}
