// Without this script the server takes the first four packages ticked. With it nobody ticks a fifth.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("compare");
  if (!form) return;
  const note = document.getElementById("compare-note");
  const most = Number(form.dataset.most);
  const elsewhere = form.querySelectorAll("input[type=hidden][name=version]").length;
  const usual = note.textContent;
  const boxes = [...form.querySelectorAll("input[type=checkbox][name=version]")];
  const look = () => {
    const ticked = boxes.filter((box) => box.checked).length + elsewhere;
    for (const box of boxes) box.disabled = !box.checked && ticked >= most;
    note.textContent = ticked >= most ? note.dataset.more : usual;
  };
  form.addEventListener("change", look);
  look();
});
