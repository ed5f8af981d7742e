"""The page's own script: draws the charts, and shows the picture of a point of the map."""

SCRIPT = """\
"use strict";
const peek = document.getElementById("peek");

function show(div, point) {
  const [name, picture] = point.customdata, box = point.bbox, frame = div.getBoundingClientRect();
  const image = peek.querySelector("img"), caption = peek.querySelector("figcaption");
  image.src = picture;
  image.alt = caption.textContent = `${point.data.name}, ${name}`;
  peek.hidden = false;
  const left = Math.min(frame.left + box.x1 + 12, window.innerWidth - peek.offsetWidth - 8);
  const top = Math.min(frame.top + box.y0 - 24, window.innerHeight - peek.offsetHeight - 8);
  peek.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
}

function step(div, by) {
  const {xaxis, yaxis} = div._fullLayout, points = div.data.flatMap(data => data.visible === "legendonly" ? []
    : data.customdata.map((customdata, i) => ({data, customdata, x: data.x[i], y: data.y[i]})));
  div.place = ((div.place ?? (by > 0 ? -1 : 0)) + by + points.length) % points.length;
  const point = points[div.place], x1 = xaxis._offset + xaxis.d2p(point.x), y0 = yaxis._offset + yaxis.d2p(point.y);
  show(div, {...point, bbox: {x1, y0}});
}

function withPictures(div) {
  const hide = () => { peek.hidden = true; };
  for (const event of ["plotly_hover", "plotly_click"]) div.on(event, found => show(div, found.points[0]));
  div.on("plotly_unhover", hide);
  div.addEventListener("blur", hide);
  window.addEventListener("scroll", hide, {passive: true});
  div.addEventListener("keydown", event => {
    const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (event.key === "Escape") hide();
    if (by) { event.preventDefault(); step(div, by); }
  });
}

function draw(div) {
  const source = document.querySelector(`script[data-for="${div.id}"]`);
  const {data, layout} = JSON.parse(source.textContent);
  // A finger scrolls the page; only a mouse draws a frame to look closer.
  layout.dragmode = "pictures" in div.dataset && matchMedia("(pointer: fine)").matches ? "zoom" : false;
  // On a phone the legend of many groups would leave no room for them; their pictures are named too.
  if (window.innerWidth < 640 && data.length > 8) layout.showlegend = false;
  Plotly.newPlot(div, data, layout, {displayModeBar: false, responsive: true, doubleClick: "reset"})
    .then(() => { if ("pictures" in div.dataset) withPictures(div); div.dataset.drawn = ""; });
}

const seen = new IntersectionObserver((entries, observer) => entries.filter(entry => entry.isIntersecting)
  .forEach(entry => { observer.unobserve(entry.target); draw(entry.target); }), {rootMargin: "600px"});
document.querySelectorAll(".plot").forEach(div => seen.observe(div));
"""
