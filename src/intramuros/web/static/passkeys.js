// Passkeys: asks the browser to make one or to show one, and tells the server what it answered.
const PLACES = {
  "sign-in": { ask: "/sign-in/passkey/options", tell: "/sign-in/passkey" },
  prove: { ask: "/account/prove/options", tell: "/account/prove/passkey" },
  add: { ask: "/account/passkeys/options", tell: "/account/passkeys" },
};

for (const place of document.querySelectorAll("[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  place.hidden = false;
  const button = place.querySelector("button");
  button.addEventListener("click", async () => {
    button.disabled = true;
    say(place, "");
    try {
      await run(place);
    } catch (error) {
      say(place, words(place, error));
      button.disabled = false;
    }
  });
}

class Refused extends Error {}

async function run(place) {
  const { ask, tell } = PLACES[place.dataset.passkey];
  const options = await send(ask, {});
  if (!options) return;
  const isNew = place.dataset.passkey === "add";
  const publicKey = isNew ? forMaking(options) : forShowing(options);
  const found = isNew
    ? await navigator.credentials.create({ publicKey })
    : await navigator.credentials.get({ publicKey });
  const name = document.getElementById("passkey-name")?.value ?? "";
  const answer = await send(tell, { credential: written(found), name, next: place.dataset.next });
  if (answer) location.assign(answer.next);
}

/** Sends JSON and returns the answer; nothing when the browser is on its way to another page. */
async function send(address, value) {
  const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";
  const response = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(value),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  if (answer.code === "proof_needed") {
    location.assign("/account/prove");
    return null;
  }
  throw new Refused([answer.message, answer.hint].filter(Boolean).join(" "));
}

function words(place, error) {
  if (error instanceof Refused) return error.message;
  return error instanceof DOMException ? place.dataset.stopped : place.dataset.lost;
}

function say(place, text) {
  const line = place.querySelector("[role=alert]");
  line.textContent = text;
  line.hidden = !text;
}

function forMaking(options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: described(options.excludeCredentials),
  };
}

function forShowing(options) {
  return {
    ...options,
    challenge: bytes(options.challenge),
    allowCredentials: described(options.allowCredentials),
  };
}

function described(keys) {
  return (keys ?? []).map((key) => ({ ...key, id: bytes(key.id) }));
}

/** A credential as JSON, its bytes in base64url. */
function written(credential) {
  const { response } = credential;
  const fields = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const kept = fields.filter((name) => response[name]).map((name) => [name, text(response[name])]);
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: Object.fromEntries(kept),
  };
}

function bytes(base64url) {
  const plain = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
