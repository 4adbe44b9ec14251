// Adds the shares up while one types. The server adds them up again and decides.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("[data-shares]");
  const sum = document.getElementById("sum");
  const note = document.getElementById("sum-note");
  if (!table || !sum) return;
  const share = /^\s*(\d{1,3})(?:\.(\d{1,2}))? ?%?\s*$/;
  const inputs = [...table.querySelectorAll('input[name^="share_"], input[name="fee"]')];
  const written = (bp) => `${(bp / 100).toFixed(2).replace(/\.?0+$/, "")}%`;
  const add = () => {
    let whole = 0;
    for (const input of inputs) {
      const match = share.exec(input.value);
      if (match) whole += Number(match[1]) * 100 + Number((match[2] || "0").padEnd(2, "0"));
    }
    sum.textContent = written(whole);
    sum.classList.toggle("mk-sum--wrong", whole !== 10000);
    if (whole === 10000) note.textContent = sum.dataset.whole;
    else if (whole < 10000) note.textContent = `${written(10000 - whole)} ${sum.dataset.less}`;
    else note.textContent = `${written(whole - 10000)} ${sum.dataset.more}`;
  };
  table.addEventListener("input", add);
  add();
});
