(() => {
  const here = document.currentScript && document.currentScript.closest(".ib-player");
  const box = here || document.querySelector(".ib-player:not([data-ready])");
  if (!box || box.dataset.ready) return;
  box.dataset.ready = "1";
  const data = JSON.parse(box.querySelector(".ib-frames").textContent);
  const picture = box.querySelector("img");
  const frames = data.frames.map(f => f ? "data:image/png;base64," + f : picture.src);
  const last = frames.length - 1;
  const make = (tag, set) => Object.assign(document.createElement(tag), set);
  const bar = make("div", {className: "ib-bar"});
  const button = make("button", {type: "button"});
  const slider = make("input", {type: "range", min: 0, max: last, step: 1});
  const output = make("output", {});
  slider.setAttribute("aria-label", data.title);
  output.setAttribute("aria-live", "off");
  bar.style.cssText = "display:flex;align-items:center;gap:.6em;font:14px sans-serif;max-width:"
    + data.width + "px";
  button.style.cssText = "min-width:3em;min-height:2.6em;touch-action:manipulation";
  slider.style.cssText = "flex:1;min-height:2.6em;min-width:6em";
  output.style.cssText = "min-width:6.5em;font-variant-numeric:tabular-nums";
  bar.append(button, slider, output);
  box.append(bar);
  let timer = null;
  const says = picture.alt;
  const show = i => {
    slider.value = i;
    picture.src = frames[i];
    picture.alt = i === data.poster ? says : data.title + ", " + data.labels[i];
    output.textContent = data.labels[i];
    slider.setAttribute("aria-valuetext", data.labels[i]);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = "\u25B6";
    button.setAttribute("aria-label", "Play");
  };
  const play = () => {
    if (+slider.value >= last) show(0);
    button.textContent = "\u275A\u275A";
    button.setAttribute("aria-label", "Pause");
    timer = setInterval(() => +slider.value >= last ? stop() : show(+slider.value + 1),
      data.interval);
  };
  slider.addEventListener("input", () => { stop(); show(+slider.value); });
  button.addEventListener("click", () => timer ? stop() : play());
  for (const kind of ["keydown", "keypress", "keyup"])
    bar.addEventListener(kind, event => event.stopPropagation());
  stop();
  show(data.poster);
})();
