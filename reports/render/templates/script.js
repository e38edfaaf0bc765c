// Search only; everything else works without scripts.
for (const box of document.querySelectorAll("input[type=search]")) {
  const section = box.closest("section"), rows = [...section.querySelectorAll(".case,.req")];
  const groups = [...section.querySelectorAll(".area,.group")];
  const texts = rows.map(row => row.textContent.toLowerCase());
  const wasOpen = groups.map(group => group.open);
  box.hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, i) => row.classList.toggle("off", !words.every(word => texts[i].includes(word))));
    groups.forEach((group, i) => {
      const hit = group.querySelector(".case:not(.off),.req:not(.off)") !== null;
      group.classList.toggle("off", !hit);
      group.open = words.length ? hit : wasOpen[i];
    });
  });
}
