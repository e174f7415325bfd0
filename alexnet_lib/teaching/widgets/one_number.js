// One number: a unit is chosen on the picture or on its map, and taken to pieces (arithmetic.js).
import { clamp, html, layered, mount, onDrag, onKeys, outline, seen, svg, unitAt } from "./explorer.js";
import { Pass, mapCanvas, numberView, passesOf, pictureCanvas, stepsOf } from "./arithmetic.js";

const SETTINGS = ["picture", "layer", "channel", "row", "column", "step"];

function build(tools) {
  const { id, read, change, data, number, select, reset } = tools;
  const network = data("network");
  const recording = data("recording");
  const { shown } = recording;
  const plan = new Pass(network, shown);
  const [side] = network.input_shape;
  const trouble = html("p", { class: "ex-note ex-warn", role: "alert" });
  const view = numberView(tools);
  const layerOf = () => plan.layers[plan.place(read().layer)];

  let redraw = () => {};
  const passOf = passesOf(network, recording, () => redraw(), (error) => {
    trouble.textContent = `The numbers cannot be unpacked: ${error.message}`;
  });

  function toUnit(row, column) {
    const { rows, columns } = layerOf();
    change({ row: clamp(row, 0, rows - 1), column: clamp(column, 0, columns - 1) });
  }
  const moves = () => {
    const { row, column } = read();
    return {
      ArrowLeft: () => toUnit(row, column - 1),
      ArrowRight: () => toUnit(row, column + 1),
      ArrowUp: () => toUnit(row - 1, column),
      ArrowDown: () => toUnit(row + 1, column),
    };
  };
  /** A canvas on which a unit is chosen; `go` gets the point as shares of its width and height. */
  function chooser(name, role, go) {
    const canvas = html("canvas", { "aria-hidden": "true" });
    const [mark, drawMark] = outline();
    const over = svg(
      "svg",
      {
        ...{ tabindex: 0, role: "application", "aria-roledescription": role, preserveAspectRatio: "none" },
        "aria-label": `${name}. Arrow keys choose a unit.`,
        "aria-describedby": `${id}-sum`,
      },
      mark,
    );
    onDrag(over, () => null, (x, y) => go(x / over.clientWidth, y / over.clientHeight), true);
    onKeys(over, moves);
    return { canvas, over, drawMark };
  }
  const photo = chooser("The picture", "picture", (x, y) => {
    const { field, rows, columns } = layerOf();
    toUnit(unitAt(field, y * side, rows), unitAt(field, x * side, columns));
  });
  const map = chooser("The map", "map", (x, y) => {
    const { rows, columns } = layerOf();
    toUnit(Math.floor(y * rows), Math.floor(x * columns));
  });
  const choose = html("div", { class: "ex-choose", "aria-busy": "true" });
  const photoBox = layered(photo.canvas, photo.over, { class: "ex-photo-box" });
  const mapBox = layered(map.canvas, map.over, { class: "ex-map-box" });

  const maps = html("select", {
    id: `${id}-channel`,
    onchange: () => change({ channel: Number(maps.value) }),
  });
  const rowControl = number("row", "Row");
  const columnControl = number("column", "Column");

  let listed = "";
  let shownPicture = "";
  let shownMap = "";
  function draw(state, width) {
    redraw = () => draw(read(), width);
    const { picture, layer, channel, row, column } = state;
    const { rows, columns, channels, field } = layerOf();
    if (listed !== layer) {
      listed = layer;
      maps.replaceChildren(...shown[layer].map((one) => html("option", { value: one }, `${one} of ${channels}`)));
    }
    maps.value = channel;
    for (const [control, size] of [
      [rowControl, rows],
      [columnControl, columns],
    ]) {
      control.hidden = size === 1;
      for (const input of control.querySelectorAll("input")) input.max = size - 1;
    }
    const patch = seen(field, row, column, side);
    photo.over.setAttribute("viewBox", `0 0 ${side} ${side}`);
    photo.drawMark(`M${patch.left} ${patch.top}H${patch.right}V${patch.bottom}H${patch.left}z`);
    map.over.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
    map.drawMark(`M${column} ${row}h1v1h-1z`);
    mapBox.hidden = rows * columns === 1;
    const pass = passOf(picture);
    choose.setAttribute("aria-busy", String(!pass));
    if (!pass) return;
    const copy = (from, canvas) => {
      canvas.width = from.width;
      canvas.height = from.height;
      canvas.getContext("2d").drawImage(from, 0, 0);
    };
    if (shownPicture !== picture) copy(pictureCanvas(pass), photo.canvas);
    shownPicture = picture;
    const now = `${picture} ${layer} ${channel}`;
    if (!mapBox.hidden && shownMap !== now) {
      shownMap = now;
      const tower = Math.floor((channel * network.towers) / channels);
      copy(mapCanvas(pass.map(plan.place(layer), channel), rows, columns, tower), map.canvas);
    }
    view.draw(pass, { ...state, className: layerOf().activation === "softmax" ? data("class_names")[channel] : "" }, width);
  }

  const named = (list) => list.map((name) => [name, name]);
  const several = (list) => list.length > 1;
  const pictures = Object.keys(recording.pictures);
  const layers = plan.layers.map(({ name }) => name);
  const group = (...controls) => html("div", { class: "ex-bar" }, ...controls);
  choose.append(photoBox, mapBox, html("div", { class: "ex-where" }, rowControl, columnControl));
  const parts = [
    html(
      "div",
      { class: "ex-bar ex-tight" },
      ...(several(pictures) ? [group(...select("picture", "Picture", named(pictures)))] : []),
      ...(several(layers) ? [group(...select("layer", "Layer", named(layers)))] : []),
      group(html("label", { for: maps.id }, "Map"), maps),
      reset(),
    ),
    trouble,
    choose,
    ...view.parts,
  ];
  return { parts, draw, close: view.close };
}

function render(context) {
  const { model } = context;
  const { shown, pictures } = model.get("recording");
  const plan = new Pass(model.get("network"), shown);
  return mount(context, {
    name: "one-number",
    title: "One number",
    settings: SETTINGS,
    settle(state) {
      if (!Object.hasOwn(pictures, state.picture)) [state.picture] = Object.keys(pictures);
      if (plan.place(state.layer) < 0) state.layer = plan.layers[0].name;
      return plan.settled(state);
    },
    build,
  });
}

export default { render };
