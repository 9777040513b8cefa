// Brings the marked passage into view; arrow keys turn pages, + and - zoom.
const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
document.querySelector(".passage, #passage")?.scrollIntoView({ block: "center", inline: "center", behavior: still ? "auto" : "smooth" });

const links = { ArrowLeft: 'a[rel="prev"]', ArrowRight: 'a[rel="next"]', "+": "#larger", "-": "#smaller" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select, .desk")) return;
  const link = links[event.key] && document.querySelector(links[event.key]);
  if (link) {
    event.preventDefault();
    link.click();
  }
});
