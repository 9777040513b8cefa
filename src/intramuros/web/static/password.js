// Says, while a password is being typed, what would make it a good one. The server decides.
const password = document.getElementById("password");
const tests = {
  length: (text) => [...text].length >= 12,
  own: (text) => text.length > 0 && !own().some((word) => text.toLowerCase().includes(word)),
  varied: (text) => new Set(text).size >= 6,
};

function own() {
  const given = ["name", "email"].map((id) => document.getElementById(id).value.toLowerCase());
  return given.flatMap((text) => text.split(/[\s@.]+/)).filter((word) => word.length >= 4);
}

function check() {
  for (const hint of document.querySelectorAll("[data-hint]")) {
    hint.dataset.met = tests[hint.dataset.hint](password.value) ? "yes" : "no";
  }
}

for (const id of ["password", "name", "email"]) document.getElementById(id).addEventListener("input", check);
