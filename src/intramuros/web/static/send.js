// Sends the file chosen in a form as the plain body of its own request.
import { csrf } from "./events.js";

/**
 * To the address in the form's `data-upload`, with what is `asked`; `done` gets what the server says once it has it.
 * The form has a bar, a place for a refusal, and a button. XMLHttpRequest, because fetch tells nothing about how much
 * of a body has been sent.
 */
export function send(form, file, asked, done) {
  const request = new XMLHttpRequest();
  const [bar, refused, button] = ["[data-sending]", "[data-refused]", "button"].map((one) => form.querySelector(one));
  const change = (isSending) => {
    bar.hidden = !isSending;
    button.disabled = isSending;
  };
  change(true);
  refused.hidden = true;
  request.upload.addEventListener("progress", (event) => {
    if (event.total) bar.value = event.loaded / event.total;
    if (event.loaded === event.total) bar.removeAttribute("value"); // it is being checked
  });
  request.addEventListener("loadend", () => {
    if (request.status === 201) return done(JSON.parse(request.responseText));
    change(false);
    refused.textContent = words(request) || form.dataset.lost;
    refused.hidden = false;
    return null;
  });
  request.open("POST", `${form.dataset.upload}?${asked}`);
  request.setRequestHeader("X-CSRF-Token", csrf());
  request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.setRequestHeader("Accept", "application/json");
  request.send(file);
}

function words(request) {
  try {
    const { message, hint } = JSON.parse(request.responseText);
    return [message, hint].filter(Boolean).join(" ");
  } catch {
    return "";
  }
}
