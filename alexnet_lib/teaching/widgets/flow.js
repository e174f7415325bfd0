// The flow: a picture on its way through the whole network, along both towers, with the maps that
// really leave the layers. Any unit that is shown can be taken to pieces (arithmetic.js).
import {
  clamp,
  commas,
  count,
  html,
  layered,
  mount,
  onDrag,
  onKeys,
  outline,
  percent,
  rect,
  seen,
  significant,
  svg,
  unitAt,
} from "./explorer.js";
import {
  Pass,
  TOWER_COLOURS,
  dependences,
  formula,
  mapCanvas,
  openableNumber,
  passesOf,
  pictureCanvas,
} from "./arithmetic.js";

const SETTINGS = ["picture", "layer", "channel", "row", "column", "step", "opened"];
const UPRIGHT = 620; // pixels: below, the towers run downwards
const SECONDS = 3.4; // that the first way through the network takes
const LINKS = {
  all: "Every unit takes in both towers.",
  own: "Each tower takes in its own channels only.",
  seam: "Each tower takes in its own channels; a sum at the seam reaches into the other.",
};

const rgba = ([red, green, blue], alpha) => `rgba(${red}, ${green}, ${blue}, ${alpha})`;

/**
 * Where everything stands, `along` the way through the network and `across` it. `upright` swaps the
 * two. Towers are as wide as the root of their channels, maps larger where they have more units.
 */
function arrange(pass, shown, width, upright) {
  const { layers, network } = pass;
  const towers = network.towers;
  const middle = upright ? 52 : 26;
  const span = upright ? (width - middle) / towers - (towers === 1 ? middle : 0) : 190; // of a tower
  const dense = (layer) => layer.kind === "dense";
  const last = layers.at(-1);
  const named = dense(last) ? last : null; // its classes stand in a list
  const drawn = layers.filter((layer) => layer !== named);
  const widest = Math.max(...drawn.filter((layer) => !dense(layer)).map(({ channels }) => channels));
  const lengthOf = ({ channels }) => Math.min(Math.sqrt(channels / widest), 1.12) * (span / 1.12);
  const crosses = (layer, place) => place > 0 && towers > 1 && layer.links === "all";
  // Between layers: more where the towers cross, and most where maps cross; less on small screens.
  const narrow = upright ? 1 : clamp(width / 900, 0.6, 1);
  const gaps = layers.map((layer, place) => {
    if (place === 0) return 26 * narrow;
    if (!crosses(layer, place)) return (upright ? 20 : 12) * narrow;
    return (dense(layers[place - 1]) && !upright ? 24 : 36) * narrow;
  });
  const picture = upright ? 116 : clamp(width * 0.13, 84, 122);
  const list = upright ? 0 : clamp(width * 0.17, 112, 158);
  const strip = upright ? 16 : 13;
  const weight = (layer) => Math.sqrt(Math.sqrt(layer.rows));
  const strips = drawn.filter(dense).length * strip;
  const room = width - picture - list - gaps.reduce((sum, gap) => sum + gap, 0) - strips - 4;
  const unit = room / drawn.filter((layer) => !dense(layer)).reduce((sum, layer) => sum + weight(layer), 0);

  const columns = [];
  let along = picture;
  drawn.forEach((layer, at) => {
    along += gaps[at];
    const length = lengthOf(layer);
    const channels = shown[layer.name];
    const slabs = Array.from({ length: towers }, (_, tower) => {
      const own = channels.filter((channel) => Math.floor((channel * towers) / layer.channels) === tower);
      const centre = towers === 1 ? (span * 1 + middle) / 2 : tower ? span + middle + span / 2 : span / 2;
      return { tower, channels: own, from: centre - length / 2, to: centre + length / 2 };
    });
    const most = Math.max(...slabs.map((slab) => slab.channels.length), 1);
    const thick = dense(layer)
      ? strip
      : Math.floor(upright ? Math.min(length / most - 4, 12 + 4.6 * Math.sqrt(layer.rows)) : Math.min(unit * weight(layer), length / most - 3, 58));
    columns.push({ layer, place: at, along, thick, length, slabs });
    along += thick;
  });
  const end = along + (named ? gaps.at(-1) : 8);
  // What is left over, where maps may not grow further, goes between the layers.
  const spare = upright ? 0 : Math.max((width - list - end) / columns.length, 0);
  columns.forEach((column, at) => (column.along += spare * (at + 1)));
  const tall = towers * span + (towers - 1) * middle;
  const result = {
    ...{ upright, columns, named, picture, span, middle, towers },
    end: end + spare * columns.length,
    across: upright ? width : towers === 1 ? span + middle : tall,
    width,
  };
  result.thumbs = columns.flatMap((column) =>
    column.slabs.flatMap((slab) => {
      const share = column.length / Math.max(slab.channels.length, 1);
      return slab.channels.map((channel, index) => ({
        ...{ column, slab, channel, side: column.thick },
        across: slab.from + (index + 0.5) * share - column.thick / 2,
        along: column.along,
      }));
    }),
  );
  return result;
}

function build(tools, { onPage }) {
  const { id, read, change, data, select, button, say, reset } = tools;
  const network = data("network");
  const recording = data("recording");
  const names = data("class_names");
  const chapters = data("chapters");
  const { shown } = recording;
  const plan = new Pass(network, shown); // its shapes; numbers come once they are unpacked
  const [side] = network.input_shape;
  const trouble = html("p", { class: "ex-note ex-warn", role: "alert" });
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  // ---- Numbers ----------------------------------------------------------------------------------

  const passOf = passesOf(network, recording, () => redraw(), (error) => {
    trouble.textContent = `The maps cannot be unpacked: ${error.message}`;
  });

  const canvases = new Map();
  /** A map, or all units of a tower of a fully connected layer, as a small canvas. */
  function canvasOf(pass, picture, column, slab, channel, upright) {
    const { layer, place } = column;
    const key = `${picture} ${layer.name} ${slab.tower} ${channel} ${upright}`;
    if (!canvases.has(key)) {
      if (layer.kind === "dense") {
        const units = layer.channels / network.towers;
        const short = Math.max(Math.ceil(Math.sqrt(units) / 4), 1);
        const long = Math.ceil(units / short);
        const values = Float32Array.from({ length: short * long }, (_, at) => {
          const index = upright ? (at % long) * short + Math.floor(at / long) : at;
          return index < units ? pass.value(place, slab.tower * units + index, 0, 0) : 0;
        });
        canvases.set(key, upright ? mapCanvas(values, short, long, slab.tower) : mapCanvas(values, long, short, slab.tower));
      } else {
        canvases.set(key, mapCanvas(pass.map(place, channel), layer.rows, layer.columns, slab.tower));
      }
    }
    return canvases.get(key);
  }
  const pictures = new Map();
  function pictureOf(pass, picture) {
    if (!pictures.has(picture)) pictures.set(picture, pictureCanvas(pass));
    return pictures.get(picture);
  }

  // ---- The way through the network ---------------------------------------------------------------

  const canvas = html("canvas", { "aria-hidden": "true" });
  const [regions, drawRegions] = outline("ex-region");
  const chosenMap = svg("path", { class: "ex-chosen-map" });
  const words = html("p", { id: `${id}-unit`, class: "ex-flow-words" });
  const overlay = svg(
    "svg",
    {
      class: "ex-stage",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "network",
      "aria-label": "The network. Arrow keys go to the next unit of the map, Page Up and Page Down to another map, Enter opens the number.",
      "aria-describedby": words.id,
    },
    chosenMap,
    regions,
  );
  const labels = html("div", { class: "ex-flow-labels" });
  const answers = html("ol", { class: "ex-flow-answers", "aria-label": "The network's answers" });
  const way = layered(canvas, overlay, { class: "ex-way", "aria-busy": "true" });
  way.append(labels, answers);

  let places = null;
  let hovered = null;
  let progress = Infinity;
  let frame = 0;
  let redraw = () => {};
  let point = () => {}; // shows where the unit under the mouse looks, and what it says

  function box(thumb) {
    const { along, across, side: size } = thumb;
    return places.upright ? { x: across, y: along, size } : { x: along, y: across, size };
  }
  const pictureBox = () => {
    const at = places.across / 2 - places.picture / 2;
    return places.upright ? { x: at, y: 0, size: places.picture } : { x: 0, y: at, size: places.picture };
  };
  /** The strip of a fully connected layer in a tower. */
  function stripBox({ column, slab }) {
    const [long, thick] = [slab.to - slab.from, column.thick];
    return places.upright
      ? { x: slab.from, y: column.along, wide: long, tall: thick }
      : { x: column.along, y: slab.from, wide: thick, tall: long };
  }

  /** A band from one edge `[from, to]` at `start` to another at `end`, with soft bends. */
  function band(context, start, [from, to], end, [later, latest]) {
    const half = (start + end) / 2;
    const point = (along, across) => (places.upright ? [across, along] : [along, across]);
    context.beginPath();
    context.moveTo(...point(start, from));
    context.bezierCurveTo(...point(half, from), ...point(half, later), ...point(end, later));
    context.lineTo(...point(end, latest));
    context.bezierCurveTo(...point(half, latest), ...point(half, to), ...point(start, to));
    context.closePath();
    context.fill();
  }

  function paint(pass, picture) {
    const scale = window.devicePixelRatio || 1;
    const [wide, tall] = places.size;
    canvas.width = Math.round(wide * scale);
    canvas.height = Math.round(tall * scale);
    canvas.style.height = `${tall}px`;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.translate(0, places.top);
    context.imageSmoothingEnabled = false;
    const photo = pictureBox();
    context.drawImage(pictureOf(pass, picture), photo.x, photo.y, photo.size, photo.size);
    const grey = [128, 140, 152];
    const photoAcross = [places.across / 2 - places.picture / 2, places.across / 2 + places.picture / 2];
    let before = { end: places.picture, slabs: null };
    const stops = [...places.columns, ...(places.named ? [null] : [])];
    stops.forEach((column, at) => {
      const there = clamp(progress - at, 0, 1);
      if (there > 0) {
        const fresh = Number.isFinite(progress) ? clamp(1 - (progress - at - 1) / 2.5, 0, 1) : 0;
        const start = before.end;
        const end = column ? column.along : places.end;
        const targets = column
          ? column.slabs.map((slab) => ({ tower: slab.tower, edge: [slab.from, slab.to] }))
          : [{ tower: null, edge: places.listed }];
        context.save();
        context.beginPath();
        const reach = start + (end - start) * there;
        if (places.upright) context.rect(0, 0, wide, reach);
        else context.rect(0, 0, reach, tall);
        context.clip();
        for (const { tower, edge } of targets) {
          const sources = before.slabs ?? [{ tower: null, from: photoAcross[0], to: photoAcross[1] }];
          for (const source of sources) {
            const own = source.tower === tower || source.tower === null || tower === null;
            if (!own && column.layer.links !== "all") continue;
            const colour = source.tower === null ? grey : TOWER_COLOURS[source.tower][1];
            const alpha = (own ? 0.26 : 0.17) + 0.4 * fresh;
            context.fillStyle = rgba(colour, alpha);
            if (!column) {
              // To the answers it fades: there is no further tower that it could enter.
              const fade = places.upright
                ? context.createLinearGradient(0, start, 0, end)
                : context.createLinearGradient(start, 0, end, 0);
              fade.addColorStop(0, rgba(colour, alpha));
              fade.addColorStop(1, rgba(colour, 0));
              context.fillStyle = fade;
            }
            band(context, start, [source.from, source.to], end, edge);
          }
        }
        context.restore();
        if (column) {
          context.globalAlpha = there;
          for (const slab of column.slabs) {
            context.fillStyle = rgba(TOWER_COLOURS[slab.tower][1], 0.3 + 0.3 * fresh);
            const strip = stripBox({ column, slab });
            context.beginPath();
            context.roundRect(strip.x - 1, strip.y - 1, strip.wide + 2, strip.tall + 2, 3);
            context.fill();
            if (column.layer.kind === "dense") {
              context.drawImage(canvasOf(pass, picture, column, slab, -1, places.upright), strip.x, strip.y, strip.wide, strip.tall);
            }
          }
          for (const thumb of places.thumbs) {
            if (thumb.column !== column || column.layer.kind === "dense") continue;
            const { x, y, size } = box(thumb);
            // Enlarged, units stay squares; reduced, they are averaged.
            context.imageSmoothingEnabled = size * scale < column.layer.rows;
            context.drawImage(canvasOf(pass, picture, column, thumb.slab, thumb.channel, false), x, y, size, size);
          }
          context.globalAlpha = 1;
        }
      }
      if (column) before = { end: column.along + column.thick, slabs: column.slabs };
    });
    const last = stops.length - 1;
    answers.style.opacity = clamp(progress - last, 0, 1);
  }

  /** Lets the picture flow through once; for those who have asked for stillness, it stands there. */
  function flow() {
    cancelAnimationFrame(frame);
    frame = 0;
    const { picture } = read();
    const pass = passOf(picture);
    if (!pass || !places || calm.matches) {
      progress = Infinity;
      way.classList.remove("ex-moving");
      redraw();
      return;
    }
    const end = places.columns.length + 4;
    let start = null;
    way.classList.add("ex-moving");
    const next = (now) => {
      start ??= now;
      progress = ((now - start) / 1000 / SECONDS) * end;
      if (progress >= end) {
        progress = Infinity;
        frame = 0;
        way.classList.remove("ex-moving");
      } else frame = requestAnimationFrame(next);
      paint(pass, picture);
    };
    frame = requestAnimationFrame(next);
  }
  let moved = false;
  const appearance = new IntersectionObserver((entries) => {
    if (moved || !passOf(read().picture) || !entries.some((entry) => entry.isIntersecting)) return;
    moved = true;
    appearance.disconnect();
    flow();
  });

  // ---- Units ------------------------------------------------------------------------------------

  /** The thumbnail, or unit of a fully connected layer, under a point of the stage. */
  function under(x, y) {
    y -= places.top;
    for (const thumb of places.thumbs) {
      const { layer } = thumb.column;
      if (layer.kind === "dense") {
        const { x: left, y: top, wide, tall } = stripBox(thumb);
        if (x >= left - 3 && x < left + wide + 3 && y >= top && y < top + tall) {
          return { layer: layer.name, channel: thumb.channel, row: 0, column: 0 };
        }
        continue;
      }
      const { x: left, y: top, size } = box(thumb);
      const [column, row] = [(x - left) / size, (y - top) / size];
      if (column >= 0 && column < 1 && row >= 0 && row < 1) {
        return {
          layer: layer.name,
          channel: thumb.channel,
          row: Math.floor(row * layer.rows),
          column: Math.floor(column * layer.columns),
        };
      }
    }
    return null;
  }
  overlay.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" || !places) return;
    const frameOf = overlay.getBoundingClientRect();
    hovered = under(event.clientX - frameOf.left, event.clientY - frameOf.top);
    overlay.style.cursor = hovered ? "pointer" : "";
    point();
  });
  overlay.addEventListener("pointerleave", () => {
    hovered = null;
    point();
  });
  overlay.addEventListener("click", (event) => {
    const frameOf = overlay.getBoundingClientRect();
    const unit = under(event.clientX - frameOf.left, event.clientY - frameOf.top);
    if (unit) change({ ...unit, step: data("limits").step[1], opened: true });
  });

  const layerOf = (name) => plan.layers[plan.place(name)];
  /** Another layer: the unit that looks at the same part of the picture, in the map that answers most. */
  function toLayer(name) {
    const { layer, row, column, channel, picture } = read();
    const [from, to] = [layerOf(layer), layerOf(name)];
    const looksAt = (at) => (from.field.jump ? from.field.start + at * from.field.jump + from.field.size / 2 : side / 2);
    const there = { row: unitAt(to.field, looksAt(row), to.rows), column: unitAt(to.field, looksAt(column), to.columns) };
    const pass = passOf(picture);
    const tower = Math.floor((channel * network.towers) / from.channels);
    const inTower = shown[name].filter((one) => Math.floor((one * network.towers) / to.channels) === tower);
    const candidates = to.kind === "dense" || !inTower.length ? shown[name] : inTower;
    const value = (one) => (pass ? pass.value(plan.place(name), one, there.row, there.column) : 0);
    const best = candidates.reduce((most, one) => (value(one) > value(most) ? one : most));
    change({ layer: name, ...there, channel: best, step: data("limits").step[1] });
  }
  function toUnit(row, column) {
    const { rows, columns } = layerOf(read().layer);
    change({ row: clamp(row, 0, rows - 1), column: clamp(column, 0, columns - 1) });
  }
  function toMap(by) {
    const { layer, channel } = read();
    const at = shown[layer].indexOf(channel) + by;
    change({ channel: shown[layer][clamp(at, 0, shown[layer].length - 1)] });
  }
  const moves = () => {
    const { layer, row, column } = read();
    const single = layerOf(layer).rows * layerOf(layer).columns === 1; // its units are its channels
    const by = (down, right) => () => (single ? toMap(down + right) : toUnit(row + down, column + right));
    return {
      ArrowLeft: by(0, -1),
      ArrowRight: by(0, 1),
      ArrowUp: by(-1, 0),
      ArrowDown: by(1, 0),
      PageUp: () => toMap(-1),
      PageDown: () => toMap(1),
      Enter: () => change({ opened: !read().opened }),
    };
  };
  onKeys(overlay, moves);

  function drawUnit(unit) {
    const place = plan.place(unit.layer);
    const found = dependences(plan, place, unit.channel, unit.row, unit.column);
    let paths = "";
    const frameOf = (x, y, size, layer, { rows, columns }) => {
      const [tall, wide] = [size / layer.rows, size / layer.columns];
      const width = Math.max((columns[1] - columns[0] + 1) * wide, 3);
      const height = Math.max((rows[1] - rows[0] + 1) * tall, 3);
      paths += `M${(x + columns[0] * wide).toFixed(1)} ${(y + rows[0] * tall).toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}h${(-width).toFixed(1)}z`;
    };
    for (const region of found) {
      if (region.place < 0) {
        const { x, y, size } = pictureBox();
        frameOf(x, y + places.top, size, plan.input, region);
        continue;
      }
      for (const thumb of places.thumbs) {
        if (thumb.column.place !== region.place || thumb.column.layer.kind === "dense") continue;
        if (thumb.channel < region.channels[0] || thumb.channel > region.channels[1]) continue;
        const { x, y, size } = box(thumb);
        frameOf(x, y + places.top, size, thumb.column.layer, region);
      }
    }
    drawRegions(paths);
  }

  // ---- The chosen layer ---------------------------------------------------------------------------

  const photoCanvas = html("canvas", { "aria-hidden": "true" });
  const [field, drawField] = outline();
  const photo = svg(
    "svg",
    {
      ...{ viewBox: `0 0 ${side} ${side}`, tabindex: 0, role: "application", "aria-roledescription": "picture" },
      "aria-label": "The picture. Arrow keys choose another unit of the map.",
      "aria-describedby": words.id,
    },
    field,
  );
  const toPixel = (x, y) => {
    const { layer } = read();
    const { field: where, rows, columns } = layerOf(layer);
    const [column, row] = [x, y].map((at) => (at / photo.clientWidth) * side);
    change({ row: unitAt(where, row, rows), column: unitAt(where, column, columns) });
  };
  onDrag(photo, () => null, toPixel, true);
  onKeys(photo, moves);

  const oneCanvas = html("canvas", { "aria-hidden": "true" });
  const [unitMark, drawUnitMark] = outline();
  const one = svg(
    "svg",
    {
      ...{ tabindex: 0, role: "application", "aria-roledescription": "map", preserveAspectRatio: "none" },
      "aria-label": "The chosen map. Arrow keys choose a unit.",
      "aria-describedby": words.id,
    },
    unitMark,
  );
  onDrag(
    one,
    () => null,
    (x, y) => {
      const { rows, columns } = layerOf(read().layer);
      toUnit(Math.floor((y / one.clientHeight) * rows), Math.floor((x / one.clientWidth) * columns));
    },
    true,
  );
  onKeys(one, moves);
  const oneBox = layered(oneCanvas, one, { class: "ex-flow-one" });
  const photoBox = layered(photoCanvas, photo, { class: "ex-flow-photo" });

  // The sheets of all layers lie one upon the other, so that the tallest keeps room for each.
  const sheets = new Map(plan.layers.map(({ name }) => [name, html("div", { class: "ex-flow-sheet" }, ...sheet(name))]));
  const facts = html("div", { class: "ex-flow-facts" }, ...sheets.values());
  function showFacts(name) {
    for (const [other, one] of sheets) one.classList.toggle("ex-now", other === name);
  }

  function sheet(name) {
    const place = plan.place(name);
    const layer = plan.layers[place];
    const before = plan.before(place);
    const times = (shape) => shape.map(commas).join(" × ");
    const chapter = chapters[layer.kind];
    const lines = [
      ["takes in", times([before.rows, before.columns, before.channels].filter((size, at) => at === 2 || before.rows > 1))],
      ["puts out", times(layer.shape)],
      ...(layer.stride ? [["window", `${layer.kernel} × ${layer.kernel}, stride ${layer.stride}, padding ${layer.padding}`]] : []),
      ["parameters", commas(layer.parameters)],
      ["multiplications", commas(layer.macs)],
    ];
    const first = place === 0 && network.towers > 1;
    return [
      html("p", { class: "ex-flow-name" }, html("strong", {}, name), ` ${layer.label}`),
      html("p", { class: "ex-flow-formula" }, formula(layer)),
      html(
        "table",
        { class: "ex-table" },
        html("tbody", {}, ...lines.map(([key, value]) => html("tr", {}, html("th", { scope: "row" }, key), html("td", {}, value)))),
      ),
      html("p", { class: "ex-note" }, network.towers === 1 ? "This network has one tower." : first ? "Both towers take in the picture." : LINKS[layer.links]),
      ...(chapter && onPage ? [html("p", {}, html("a", { href: `${chapter[0]}.html` }, `Chapter: ${chapter[1]}`))] : []),
    ];
  }

  const number = openableNumber(tools);

  function write(pass, state, unit, isHovered) {
    const place = plan.place(unit.layer);
    const value =
      isHovered || !state.opened
        ? pass.value(place, unit.channel, unit.row, unit.column)
        : pass.parts(place, unit.channel, unit.row, unit.column).after;
    writeUnit(plan.layers[place], unit, value);
    if (!isHovered) say(words.textContent);
  }

  function writeUnit(layer, unit, value) {
    const patch = seen(layer.field, unit.row, unit.column, side);
    const softmax = layer.activation === "softmax";
    const shows = softmax ? percent(value) : significant(value, 4);
    const tower = network.towers > 1 && layer.name !== plan.layers.at(-1).name ? `, ${unit.channel < layer.channels / 2 ? "first" : "second"} tower` : "";
    const who =
      layer.rows * layer.columns === 1
        ? `${layer.name}, unit ${unit.channel} of ${commas(layer.channels)}${softmax ? `, “${names[unit.channel]}”` : tower}`
        : `${layer.name}, map ${unit.channel} of ${commas(layer.channels)}${tower}, row ${unit.row}, column ${unit.column}`;
    const where = layer.field.jump
      ? `Its receptive field covers ${count(patch.bottom - patch.top, "row")} and ${count(patch.right - patch.left, "column")} of the picture.`
      : "Its receptive field is the whole picture.";
    words.replaceChildren(html("span", {}, `${who}: `), html("strong", {}, shows), html("span", {}, ` ${where}`));
  }

  /** Room for the longest sentence about a unit of any layer, so that nothing below it moves. */
  function makeRoomForWords() {
    words.style.minHeight = "";
    const longest = names.reduce((best, name, index) => (name.length > names[best].length ? index : best), 0);
    const heights = plan.layers.map((layer) => {
      const { rows, columns, channels, activation } = layer;
      const channel = activation === "softmax" ? longest : channels - 1;
      writeUnit(layer, { channel, row: rows - 1, column: columns - 1 }, activation === "softmax" ? 0.1234 : -1234.5);
      return words.offsetHeight;
    });
    words.style.minHeight = `${Math.max(...heights)}px`;
  }

  let answered = "";
  function drawAnswers(pass, picture) {
    if (answered === picture || !places.named) return;
    answered = picture;
    const place = plan.layers.length - 1;
    const order = [...shown[places.named.name]].sort((a, b) => pass.value(place, b, 0, 0) - pass.value(place, a, 0, 0));
    answers.replaceChildren(
      ...order.map((unit) => {
        const share = pass.value(place, unit, 0, 0);
        return html(
          "li",
          {},
          html(
            "button",
            {
              type: "button",
              "data-unit": unit,
              onclick: () => change({ layer: places.named.name, channel: unit, row: 0, column: 0, step: data("limits").step[1], opened: true }),
            },
            html("span", { class: "ex-class" }, names[unit]),
            html("span", { class: "ex-percent" }, percent(share)),
            html("span", { class: "ex-track", "aria-hidden": "true" }, html("span", { class: "ex-share", style: `width: ${(100 * share).toFixed(2)}%` })),
          ),
        );
      }),
    );
  }

  let laidOut = "";
  function layOut(width) {
    const upright = width < UPRIGHT;
    const key = `${width} ${upright}`;
    if (laidOut === key) return;
    laidOut = key;
    places = arrange(plan, shown, width, upright);
    way.classList.toggle("ex-upright", upright);
    const pitches = places.columns.slice(1).map((column, at) => column.along - places.columns[at].along);
    const tight = !upright && Math.min(...pitches) < 48;
    places.top = upright ? 0 : 30;
    const answersTall = 46 * (shown[places.named?.name]?.length ?? 0);
    const spread = upright ? 0.5 * width : Math.min(answersTall, places.across);
    places.listed = [(places.across - spread) / 2, (places.across + spread) / 2];
    const bottom = upright ? 6 : tight ? 30 : 4;
    const list = upright ? 30 * (shown[places.named?.name]?.length ?? 0) + 12 : 0;
    makeRoomForWords();
    places.size = upright ? [width, places.end + list + bottom] : [width, places.across + places.top + bottom];
    const [wide, tall] = places.size;
    canvas.style.width = `${wide}px`;
    way.style.height = `${tall}px`;
    overlay.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    labels.replaceChildren(
      ...[...places.columns, ...(places.named ? [{ layer: places.named, along: places.end, thick: width - places.end, last: true }] : [])].map(
        ({ layer, along, thick, last }, at) => {
          const middle = along + thick / 2;
          const style = upright
            ? last
              ? `left: ${width / 2}px; top: ${along - 14}px`
              : `left: ${width / 2}px; top: ${middle}px`
            : `left: ${middle}px; top: ${tight && at % 2 ? tall - 13 : 13}px`;
          return html("button", { type: "button", "data-layer": layer.name, style, onclick: () => toLayer(layer.name) }, layer.name);
        },
      ),
    );
    if (upright) answers.style.cssText = `left: 0; width: ${width}px; top: ${places.end + 4}px`;
    else {
      answers.style.cssText = `left: ${places.end}px; width: ${width - places.end}px; top: ${places.top + (places.across - answersTall) / 2}px`;
    }
  }

  let painted = "";
  let shownMap = "";
  function draw(state, width) {
    layOut(Math.floor(width));
    const { picture, layer } = state;
    labels.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.layer === layer)));
    showFacts(layer);
    const pass = passOf(picture);
    const className = layer === places.named?.name ? names[state.channel] : "";
    number.draw(pass, { ...state, className }, width);
    redraw = () => draw(read(), width);
    const chosen = { layer, channel: state.channel, row: state.row, column: state.column };
    point = () => {
      drawUnit(hovered ?? chosen);
      if (pass) write(pass, state, hovered ?? chosen, hovered !== null);
    };
    point();
    const thumb = places.thumbs.find(({ column, channel }) => column.layer.name === layer && channel === state.channel);
    if (!thumb) chosenMap.setAttribute("d", "");
    else if (layerOf(layer).kind === "dense") {
      const { x, y, wide, tall } = stripBox(thumb);
      chosenMap.setAttribute("d", `M${x - 2} ${y + places.top - 2}h${wide + 4}v${tall + 4}h${-wide - 4}z`);
    } else {
      const { x, y, size } = box(thumb);
      chosenMap.setAttribute("d", `M${x - 1} ${y + places.top - 1}h${size + 2}v${size + 2}h${-size - 2}z`);
    }
    way.setAttribute("aria-busy", String(!pass));
    if (!pass) return;
    drawAnswers(pass, picture);
    answers.querySelectorAll("button").forEach((one) =>
      one.setAttribute("aria-pressed", String(layer === places.named?.name && Number(one.dataset.unit) === state.channel)),
    );
    const now = `${picture} ${laidOut} ${window.devicePixelRatio}`;
    if (painted !== now) {
      if (!moved && !calm.matches) {
        progress = 0;
        appearance.observe(way);
      }
      painted = now;
      paint(pass, picture);
      photoCanvas.width = photoCanvas.height = side;
      photoCanvas.getContext("2d").drawImage(pictureOf(pass, picture), 0, 0);
    } else if (!frame && progress === Infinity) answers.style.opacity = 1;
    const { rows, columns, field: where } = layerOf(layer);
    oneBox.hidden = rows * columns === 1;
    const map = `${picture} ${layer} ${state.channel}`;
    if (!oneBox.hidden && shownMap !== map) {
      shownMap = map;
      const column = places.columns.find((each) => each.layer.name === layer);
      const slab = column.slabs.find((each) => each.channels.includes(state.channel));
      const small = canvasOf(pass, picture, column, slab, state.channel, false);
      oneCanvas.width = columns;
      oneCanvas.height = rows;
      oneCanvas.getContext("2d").drawImage(small, 0, 0);
      one.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    }
    drawUnitMark(`M${state.column} ${state.row}h1v1h-1z`);
    const patch = seen(where, state.row, state.column, side);
    drawField(`M${patch.left} ${patch.top}H${patch.right}V${patch.bottom}H${patch.left}z`);
  }

  const named = (list) => list.map((name) => [name, name]);
  const several = Object.keys(recording.pictures).length > 1;
  const parts = [
    html(
      "div",
      { class: "ex-bar ex-tight" },
      ...(several ? [html("div", { class: "ex-bar" }, ...select("picture", "Picture", named(Object.keys(recording.pictures))))] : []),
      html("div", { class: "ex-bar" }, ...select("layer", "Layer", named(plan.layers.map(({ name }) => name)), toLayer)),
      button("Let it flow", () => {
        moved = true;
        flow();
      }),
      reset(),
    ),
    trouble,
    way,
    html("div", { class: "ex-flow-line" }, words, number.opener),
    number.box,
    html("div", { class: "ex-flow-card" }, photoBox, oneBox, facts),
  ];
  const close = () => {
    cancelAnimationFrame(frame);
    appearance.disconnect();
    number.close();
  };
  return { parts, draw, close };
}

function render(context) {
  const { model, el } = context;
  const network = model.get("network");
  const { shown, pictures } = model.get("recording");
  const plan = new Pass(network, shown);
  return mount(context, {
    name: "flow",
    title: "The network, and a picture that flows through it",
    settings: SETTINGS,
    settle(state) {
      if (!Object.hasOwn(pictures, state.picture)) [state.picture] = Object.keys(pictures);
      if (plan.place(state.layer) < 0) state.layer = plan.layers[0].name;
      state.opened = state.opened === true;
      return plan.settled(state);
    },
    build: (tools) => build(tools, { onPage: el.closest("[data-explorer]") !== null }),
  });
}

export default { render };
