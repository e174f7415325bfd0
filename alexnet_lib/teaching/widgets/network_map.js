// The network map: what each layer is, costs and sees, and which tower feeds which.
// All numbers come from alexnet_lib/architecture.py; nothing is computed here but shares and places.
import {
  clamp,
  commas,
  html,
  mount,
  onDrag,
  onKeys,
  outline,
  photograph,
  rect,
  placeOn,
  seen,
  svg,
  unitAlike,
  unitAt,
} from "./explorer.js";

const LINKS = {
  all: "Every unit takes in both towers.",
  own: "Each tower receives its own channels only.",
  seam: "Each tower receives its own channels, and a sum at the seam reaches into the other.",
};
const ROW = 34; // screen pixels of one row of the map
const BOX = 16;

/** The attributes of a box in the colour of its kind; dashed where a kind has none. */
const drawn = (colour) =>
  colour ? { class: "ex-box", style: `--ex-kind: ${colour}` } : { class: "ex-box ex-undrawn" };

function build({ id, read, change, data, say, select, reset }) {
  const networks = data("networks");
  const { image } = data("photograph");

  const choices = Object.entries(networks).map(([key, { label }]) => [key, label]);
  const network = select("variant", "Network", choices, (variant) => take(variant, read().layer));

  /** Goes to another layer, and there to the unit that looks at the same place of the photograph. */
  function take(variant, name) {
    const { layers } = networks[variant];
    const { record, size, ...unit } = read();
    const { name: layer, shape, field } = layers.find((one) => one.name === name) ?? layers[0];
    const units = shape.length === 3 ? shape : [1, 1];
    change({ variant, layer, ...unitAlike(record.field, field, unit, units, size) });
  }

  // ---- The photograph -------------------------------------------------------------------------

  const [field, drawOutline] = outline();
  const photo = photograph(
    1,
    {
      "aria-roledescription": "photograph",
      "aria-label": "The photograph. Arrow keys go to the next unit of the layer.",
      "aria-describedby": `${id}-where`,
    },
    image ? svg("image", { href: image, width: 1, height: 1 }) : rect(0, 0, 1, 1, { class: "ex-blank" }),
    field,
  );
  const where = html("p", { id: `${id}-where`, class: "ex-note" });

  function moveTo(row, column) {
    const { units } = read();
    change({ row: clamp(row, 0, units[0] - 1), column: clamp(column, 0, units[1] - 1) });
  }
  onDrag(
    photo,
    () => null,
    (x, y) => {
      const { record, units, size } = read();
      const { width, height } = photo.getBoundingClientRect();
      const [across, down] = [(x / width) * size, (y / height) * size];
      moveTo(unitAt(record.field, down, units[0]), unitAt(record.field, across, units[1]));
    },
    true,
  );
  onKeys(photo, () => {
    const { row, column, units } = read();
    return {
      ArrowLeft: () => moveTo(row, column - 1),
      ArrowRight: () => moveTo(row, column + 1),
      ArrowUp: () => moveTo(row - 1, column),
      ArrowDown: () => moveTo(row + 1, column),
      Home: () => moveTo(0, 0),
      End: () => moveTo(units[0] - 1, units[1] - 1),
    };
  });

  function drawField({ record, row, column, size, units }) {
    const { top, bottom, left, right } = seen(record.field, row, column, size);
    const [width, height] = [(right - left) / size, (bottom - top) / size];
    drawOutline(`M${left / size} ${top / size}h${width}v${height}h${-width}z`);
    const { size: side, jump } = record.field;
    const cut = right - left < side || bottom - top < side;
    where.textContent = !jump
      ? `The receptive field of a unit of ${record.name} is all ${size} × ${size} pixels.`
      : `Row ${row}, column ${column} of ${units[0]} × ${units[1]}: its receptive field is ${side} × ${side} pixels` +
        `${cut ? `, of which the picture has` : ","} rows ${top} to ${bottom - 1}, columns ${left} to ${right - 1}.`;
  }

  // ---- The facts ------------------------------------------------------------------------------

  const name = html("strong");
  const kind = html("span");
  const facts = html("tbody");
  const feeding = html("p", { class: "ex-note ex-feeding" });
  const share = (part, all) => {
    const percent = (100 * part) / all;
    if (part === 0) return "";
    return ` (${percent < 0.05 ? "< 0.1" : percent.toFixed(1)} %)`;
  };
  function writeFacts({ record, layers, at, size, towers }) {
    const before = at ? layers[at - 1].shape : [size, size, 3];
    const total = (key) => layers.reduce((sum, layer) => sum + layer[key], 0);
    const times = (shape) => shape.map(commas).join(" × ");
    const units = record.shape.reduce((product, side) => product * side, 1);
    name.textContent = record.name;
    kind.textContent = [record.label, record.says].filter(Boolean).join(", ");
    const lines = [
      ["takes in", times(before)],
      ["puts out", times(record.shape) + (record.shape.length > 1 ? ` = ${commas(units)}` : "")],
      ["window", record.stride ? `${record.kernel} × ${record.kernel}` : "–"],
      ["stride, padding", record.stride ? `${record.stride}, ${record.padding}` : "–"],
      ["parameters", commas(record.parameters) + share(record.parameters, total("parameters"))],
      ["multiplications", commas(record.macs) + share(record.macs, total("macs"))],
    ];
    facts.replaceChildren(
      ...lines.map(([key, value]) =>
        html("tr", {}, html("th", { scope: "row" }, key), html("td", {}, value)),
      ),
    );
    const first = record.links === "all" && towers === 2 && before[2] === 3;
    feeding.textContent =
      towers === 1 ? "This network has one tower." : first ? "Both towers see the picture." : LINKS[record.links];
    say(`${record.name}, ${kind.textContent}. ${lines.map((line) => line.join(" ")).join(". ")}. ${feeding.textContent}`);
  }

  // ---- The map --------------------------------------------------------------------------------

  const longest = Math.max(...Object.values(networks).map(({ layers }) => layers.length));
  const list = html("ol", {
    class: "ex-layers",
    "aria-label": "Layers, from the picture to the classes",
    style: `min-height: ${longest * ROW}px`,
  });

  /** The boxes of a layer's towers, and the lines from those above. */
  function boxes({ shape, colour, links }, towers, isFirst) {
    const channels = shape.length === 3 ? shape[2] : shape[0];
    const centres = towers === 2 ? [45, 135] : [90];
    const above = isFirst ? [90] : centres;
    // A dense layer of 4,096 is as wide as its place; 48 maps are still seen.
    const wide = clamp(Math.sqrt(channels / towers) * 3.2, 14, towers === 2 ? 82 : 164);
    const lines = centres.flatMap((centre, tower) => {
      const sources = isFirst || links === "all" ? above : [centres[tower]];
      return sources.map((source) => [source, centre, source !== centre && !isFirst]);
    });
    const path = (wanted) =>
      lines
        .filter(([, , crosses]) => crosses === wanted)
        .map(([a, b]) => `M${a} 0L${b} ${ROW - BOX - 4}`)
        .join("");
    const y = ROW - BOX - 4;
    return svg(
      "svg",
      { width: 180, height: ROW, viewBox: `0 0 180 ${ROW}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("path", { class: "ex-link", d: path(false) }),
      svg("path", { class: "ex-link ex-crossing", d: path(true) }),
      ...(links === "seam" ? [svg("path", { class: "ex-link ex-seam", d: `M78 ${y + BOX / 2}H102` })] : []),
      ...centres.map((centre) =>
        rect(centre - wide / 2, y, wide, BOX, { rx: 2, ...drawn(colour) }),
      ),
    );
  }

  let listed = "";
  function drawList({ variant, layers, towers, at }) {
    if (listed !== variant) {
      listed = variant;
      const items = layers.map((layer, index) =>
        html(
          "li",
          {},
          html(
            "button",
            { type: "button", "data-layer": layer.name, onclick: () => take(read().variant, layer.name) },
            boxes(layer, towers, index === 0),
            html("span", { class: "ex-layer" }, layer.name),
            " ",
            html("span", { class: "ex-shape" }, layer.shape.map(commas).join("×")),
          ),
        ),
      );
      list.replaceChildren(...items);
    }
    [...list.querySelectorAll("button")].forEach((button, index) =>
      button.setAttribute("aria-pressed", String(index === at)),
    );
  }

  const totals = html("p", { class: "ex-note ex-totals" });
  function writeTotals({ layers, size }) {
    const total = (key) => commas(layers.reduce((sum, layer) => sum + layer[key], 0));
    totals.textContent = `All layers: ${total("parameters")} parameters, ${total("macs")} multiplications for one picture of ${size} × ${size}.`;
  }

  const crossing = html(
    "li",
    {},
    svg("svg", { width: 26, height: 10, "aria-hidden": "true" }, svg("path", { class: "ex-link ex-crossing", d: "M0 5H26" })),
    "crosses between the towers",
  );
  // One line for each colour; the layers that have it, in all networks, give it its name.
  const all = Object.values(networks).flatMap(({ layers }) => layers.filter(({ colour }) => colour));
  const names = new Map();
  for (const { colour, label } of all) if (!names.has(colour)) names.set(colour, label);
  const key = html(
    "ul",
    { class: "ex-key" },
    ...[...names].map(([colour, label]) =>
      html("li", { "data-colour": colour }, svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, rect(1, 1, 14, 14, drawn(colour))), label),
    ),
    crossing,
  );

  /** Only what can be seen is explained; the rest keeps its room, so that nothing moves. */
  function drawKey({ layers, towers }) {
    for (const line of key.querySelectorAll("[data-colour]")) {
      const there = layers.some(({ colour }) => colour === line.dataset.colour);
      line.style.visibility = there ? "" : "hidden";
    }
    crossing.style.visibility = towers === 2 ? "" : "hidden";
  }

  const parts = [
    html("div", { class: "ex-bar ex-row" }, ...network, reset()),
    html("p", { class: "ex-result" }, name, kind),
    html(
      "div",
      { class: "ex-sides" },
      html(
        "div",
        { class: "ex-layer-facts" },
        html("div", { class: "ex-scroll" }, html("table", { class: "ex-table" }, facts)),
        feeding,
        html("div", { class: "ex-frame" }, photo),
        where,
      ),
      html("div", { class: "ex-frame" }, list),
    ),
    key,
    totals,
  ];

  function draw(state) {
    drawList(state);
    writeFacts(state);
    drawField(state);
    writeTotals(state);
    drawKey(state);
  }
  return { parts, draw };
}

function settle(networks, state) {
  if (!Object.hasOwn(networks, state.variant)) state.variant = Object.keys(networks)[0];
  const { layers, input_size: size, towers } = networks[state.variant];
  const at = Math.max(layers.findIndex(({ name }) => name === state.layer), 0);
  const record = layers[at];
  const units = record.shape.length === 3 ? record.shape.slice(0, 2) : [1, 1];
  ["row", "column"].forEach((side, index) => {
    state[side] = placeOn(state[side], units[index]);
  });
  return { ...state, layer: record.name, layers, size, towers, at, record, units };
}

function render({ model, el }) {
  const networks = model.get("networks");
  return mount(
    { model, el },
    {
      name: "network-map",
      title: "Network map",
      settings: ["variant", "layer", "row", "column"],
      settle: (state) => settle(networks, state),
      build,
    },
  );
}

export default { render };
