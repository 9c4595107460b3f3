"use strict";
{
  const tip = document.getElementById("tip");
  const near = [[0, 0], [0, -4], [0, 4], [-4, 0], [4, 0], [0, -8], [0, 8], [-8, 0], [8, 0]];
  let lit = null;

  // The title of a mark becomes our own tip, so that it also shows by touch and by key.
  const textOf = (mark) => {
    const title = mark.querySelector("title");
    if (title) {
      mark.tip = title.textContent;
      title.remove();
    }
    return mark.tip;
  };

  const clear = () => {
    tip.classList.remove("shown");
    if (!lit) return;
    lit.classList.remove("lit");
    lit.querySelectorAll(".on,.kin").forEach((it) => it.classList.remove("on", "kin"));
    lit.querySelectorAll(".cursor").forEach((it) => it.remove());
    lit = null;
  };

  const place = (text, x, y) => {
    tip.textContent = text;
    tip.classList.add("shown");
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, x + 14), innerWidth - box.width - 8);
    const below = y + 18 + box.height < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? y + 18 : Math.max(8, y - box.height - 12)}px`;
  };

  const show = (mark, x, y) => {
    clear();
    lit = mark.ownerSVGElement;
    const text = textOf(mark);
    mark.classList.add("on");
    const task = mark.dataset.task;
    if (task) {
      lit.classList.add("lit");
      lit.querySelectorAll(`[data-task="${task}"]`).forEach((it) => it.classList.add("kin"));
    }
    place(text, x, y);
  };

  // Cells are one image; its values lie beside it.
  const field = (image) => {
    if (!image.field) {
      const { columns, top, x, y, v } = image.dataset;
      const values = Uint8Array.from(atob(v), (it) => it.charCodeAt(0));
      const rows = y.split("|");
      image.field = { columns: +columns, top: +top, names: x.split("|"), rows, values };
    }
    return image.field;
  };

  const showCell = (image, column, row) => {
    clear();
    lit = image.ownerSVGElement;
    const { columns, top, names, rows, values } = field(image);
    const value = values[row * columns + column];
    const more = value === 254 && "more" in image.dataset ? " or more" : "";
    const known = value === 255 ? "unknown" : `${((value / 254) * top * 100).toFixed(0)} %${more}`;
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const [width, height] = [image.width.baseVal.value / columns, image.height.baseVal.value / rows.length];
    const corner = [image.x.baseVal.value + column * width, image.y.baseVal.value + row * height];
    Object.entries({ class: "cursor", x: corner[0], y: corner[1], width, height }).forEach((it) => cursor.setAttribute(...it));
    lit.append(cursor);
    const box = cursor.getBoundingClientRect();
    image.at = [column, row];
    place(`${rows[row]}\n${names[column]}\nload ${known}`, box.right, box.bottom);
  };

  const cellAt = (image, x, y) => {
    const box = image.getBoundingClientRect();
    const { columns, rows } = field(image);
    const inside = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
    showCell(image, inside((x - box.left) / box.width, columns), inside((y - box.top) / box.height, rows.length));
  };

  const point = (event) => {
    for (const [dx, dy] of near) {
      const found = document.elementFromPoint(event.clientX + dx, event.clientY + dy);
      const mark = found && found.closest(".h,[data-v]");
      if (!mark) continue;
      if (mark.dataset.v) cellAt(mark, event.clientX, event.clientY);
      else show(mark, event.clientX, event.clientY);
      return;
    }
    clear();
  };
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("scroll", clear, true);

  // Arrow keys walk through the marks of the focused picture; Escape lets go.
  const walk = (svg, key) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
    const image = svg.querySelector("[data-v]");
    if (image) {
      const { columns, rows } = field(image);
      const [column, row] = image.at || [0, 0];
      const across = key === "ArrowRight" || key === "ArrowLeft";
      const wrap = (value, count) => (value + count) % count;
      showCell(image, across ? wrap(column + step, columns) : column, across ? row : wrap(row + step, rows.length));
      return;
    }
    const marks = [...svg.querySelectorAll(".h")];
    if (marks.length === 0) return;
    svg.at = svg.at === undefined ? (step > 0 ? 0 : marks.length - 1) : (svg.at + step + marks.length) % marks.length;
    const box = marks[svg.at].getBoundingClientRect();
    show(marks[svg.at], box.left + box.width / 2, box.top + Math.min(box.height / 2, 80));
  };
  document.addEventListener("keydown", (event) => {
    const svg = document.activeElement.closest(".picture");
    if (event.key === "Escape") clear();
    else if (svg && event.key.startsWith("Arrow")) {
      event.preventDefault();
      walk(svg, event.key);
    }
  });
  document.addEventListener("focusout", clear);

  document.querySelectorAll(".filter").forEach((filter) => {
    const rows = [...filter.parentElement.querySelectorAll("tbody tr")];
    filter.addEventListener("input", () => {
      const word = filter.value.toLowerCase();
      rows.forEach((row) => { row.hidden = !row.textContent.toLowerCase().includes(word); });
    });
  });

  // The theme: as the system has it, until told otherwise.
  const button = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  const paint = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `theme: ${theme}`;
  };
  const stored = () => { try { return localStorage.getItem("evenkeel-report-theme"); } catch { return null; } };
  let theme = themes.includes(stored()) ? stored() : "auto";
  paint(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    paint(theme);
    try { localStorage.setItem("evenkeel-report-theme", theme); } catch { /* a page from a file may not store */ }
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((it) => { it.open = true; }));
}
