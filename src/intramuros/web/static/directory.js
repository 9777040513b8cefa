// Puts the text of a chosen file into the field, where it can be read and changed before it is sent.
const file = document.getElementById("file");
document.getElementById("from-file").hidden = false;
file.addEventListener("change", async () => {
  if (file.files.length) document.getElementById("lines").value = await file.files[0].text();
});
