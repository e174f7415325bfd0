// The paper's augmentation on a photograph: crops, mirror images, PCA lighting, ten crops.
// `lightingShift` and `tenCrops` follow alexnet_lib/augmentation.py; the tests compare the two.
import {
  clamp,
  commas,
  html,
  mount,
  normals,
  onDrag,
  onKeys,
  outline,
  photograph,
  rect,
  significant,
  svg,
} from "./explorer.js";

/** What is added to red, green and blue of every pixel, 0..255: the paper's p₁α₁λ₁ + p₂α₂λ₂ + p₃α₃λ₃. */
export function lightingShift({ eigenvalues, eigenvectors }, alphas) {
  return eigenvectors.map((row) =>
    row.reduce((sum, entry, i) => sum + 255 * entry * eigenvalues[i] * alphas[i], 0),
  );
}

/** Bytes of red, green, blue and opacity with that added, cut off at 0 and 255. */
export function lit(pixels, shift) {
  const shifted = new Uint8ClampedArray(pixels.length);
  for (let index = 0; index < pixels.length; index += 4) {
    for (let colour = 0; colour < 3; colour += 1) {
      shifted[index + colour] = pixels[index + colour] + shift[colour];
    }
    shifted[index + 3] = 255;
  }
  return shifted;
}

/** Corners, the middle, and their mirror images, in the order of `ten_crop`. */
export function tenCrops(side, size) {
  const last = side - size;
  const middle = Math.floor(last / 2);
  const places = [[0, 0], [0, last], [last, 0], [last, last], [middle, middle]];
  return [false, true].flatMap((mirror) => places.map(([row, column]) => ({ row, column, mirror })));
}

/** How many crops there are with their mirror images. */
export const crops = (side, size) => 2 * (side - size + 1) ** 2;

const ALPHAS = ["alpha1", "alpha2", "alpha3"];
const NAMES = ["top left", "top right", "bottom left", "bottom right", "middle"];
const THUMBNAIL = 56;
const SIGMA = 0.1;

function build({ id, read, change, data, refusal, say, number, radios, tick, button, reset }) {
  const { image, side } = data("photograph");
  const lighting = data("lighting");
  const { printed, sizes } = data("counts");
  const limits = data("limits");

  // ---- The picture and the crop ---------------------------------------------------------------

  const [frame, drawFrame] = outline();
  const shade = svg("path", { class: "ex-shade" });
  const grip = rect(0, 0, 0, 0, { class: "ex-grip", fill: "transparent" });
  const picture = photograph(
    side,
    {
      "aria-roledescription": "picture with a crop",
      "aria-label": "The picture. Arrow keys move the crop.",
      "aria-describedby": `${id}-where`,
    },
    svg("image", { href: image, width: side, height: side }),
    shade,
    frame,
    grip,
  );
  function moveTo(row, column) {
    const last = side - read().size;
    change({ row: clamp(row, 0, last), column: clamp(column, 0, last) });
  }
  onDrag(
    picture,
    (x, y) => ({ ...read(), x, y }),
    (x, y, grab) => {
      const scale = side / picture.getBoundingClientRect().width;
      moveTo(grab.row + Math.round((y - grab.y) * scale), grab.column + Math.round((x - grab.x) * scale));
    },
  );
  onKeys(picture, () => {
    const { row, column, size } = read();
    const last = side - size;
    return {
      ArrowLeft: () => moveTo(row, column - 1),
      ArrowRight: () => moveTo(row, column + 1),
      ArrowUp: () => moveTo(row - 1, column),
      ArrowDown: () => moveTo(row + 1, column),
      Home: () => moveTo(0, 0),
      End: () => moveTo(last, last),
    };
  });

  // ---- What the network gets ------------------------------------------------------------------

  const result = html("canvas", { class: "ex-crop", role: "img" });
  const ten = Array.from({ length: 10 }, (_, index) => {
    const canvas = html("canvas", { width: THUMBNAIL, height: THUMBNAIL, "aria-hidden": "true" });
    const name = NAMES[index % 5] + (index < 5 ? "" : ", mirrored");
    const go = () => change(tenCrops(side, read().size)[index]);
    const one = button("", go, { class: "ex-ten", "aria-label": name, title: name });
    one.append(canvas);
    return { canvas, one };
  });

  const source = html("canvas", { width: side, height: side }); // the picture with its light shifted
  const shelf = source.getContext("2d", { willReadFrequently: true });
  let pixels = null;
  let shown = "";
  let closed = false;
  const photo = new Image();
  photo.src = image;
  photo.decode().then(() => {
    if (closed) return;
    shelf.drawImage(photo, 0, 0, side, side);
    pixels = shelf.getImageData(0, 0, side, side).data;
    paint(read());
  });

  function cut(canvas, { row, column, mirror }, size) {
    const { width } = canvas;
    const brush = canvas.getContext("2d");
    brush.setTransform(mirror ? -1 : 1, 0, 0, 1, mirror ? width : 0, 0);
    brush.drawImage(source, column, row, size, size, 0, 0, width, width);
  }

  function paint({ row, column, mirror, size, shift }) {
    if (!pixels) return;
    const light = JSON.stringify([shift, size]);
    if (light !== shown) {
      shown = light;
      shelf.putImageData(new ImageData(lit(pixels, shift), side, side), 0, 0);
      tenCrops(side, size).forEach((crop, index) => cut(ten[index].canvas, crop, size));
      result.width = size;
      result.height = size;
    }
    cut(result, { row, column, mirror }, size);
  }

  // ---- Words and controls ---------------------------------------------------------------------

  const where = html("p", { id: `${id}-where`, class: "ex-result" });
  const colours = html("p", { class: "ex-note" });
  const body = html("tbody");
  const table = html(
    "table",
    { class: "ex-table" },
    html("caption", {}, `Crops of a picture of ${side} × ${side}, with their mirror images`),
    body,
  );
  for (const size of sizes) {
    const places = side - size + 1;
    const sum = `2 · ${places} · ${places} = ${commas(crops(side, size))}`;
    body.append(html("tr", { "data-size": size }, html("th", { scope: "row" }, `crops of ${size}`), html("td", {}, sum)));
  }
  const root = Math.sqrt(printed / 2);
  const sum = `2 · ${root} · ${root} = ${commas(printed)}`;
  body.append(html("tr", {}, html("th", { scope: "row" }, "as the paper prints it"), html("td", {}, sum)));

  const random = () => {
    const { size } = read();
    const [, most] = limits.alpha1;
    const place = () => Math.floor(Math.random() * (side - size + 1));
    const drawn = [...normals(Math.floor(Math.random() * 2 ** 31), 4)];
    const alphas = ALPHAS.map((key, i) => [key, clamp(Number((SIGMA * drawn[i]).toFixed(3)), -most, most)]);
    change({ row: place(), column: place(), mirror: Math.random() < 0.5, ...Object.fromEntries(alphas) });
  };

  function draw(state) {
    const { row, column, size, mirror, shift } = state;
    const box = `M${column} ${row}h${size}v${size}h${-size}z`;
    drawFrame(box);
    for (const [name, value] of Object.entries({ x: column, y: row, width: size, height: size })) {
      grip.setAttribute(name, value);
    }
    shade.setAttribute("d", `M0 0h${side}v${side}h${-side}z${box}`);
    paint(state);
    const text =
      `Rows ${row} to ${row + size - 1}, columns ${column} to ${column + size - 1} of ${side} × ${side}` +
      `${mirror ? ", mirrored" : ""}.`;
    where.textContent = text;
    const signed = (value) => (value > 0 ? "+" : "") + significant(value);
    const [red, green, blue] = shift.map(signed);
    colours.textContent = `The light shifts every pixel by red ${red}, green ${green}, blue ${blue} of 255.`;
    result.setAttribute("aria-label", `The crop. ${text} ${colours.textContent}`);
    const all = tenCrops(side, size);
    ten.forEach(({ one }, index) => {
      const here = all[index].row === row && all[index].column === column && all[index].mirror === mirror;
      one.setAttribute("aria-pressed", String(here));
    });
    for (const line of body.children) line.classList.toggle("ex-own", Number(line.dataset.size) === size);
    say(`${text} ${colours.textContent}`);
  }

  const components = ALPHAS.map((key, i) => {
    const direction = lighting.eigenvectors.map((line) => significant(line[i], 2)).join(", ");
    const says = `λ = ${significant(lighting.eigenvalues[i], 2)}, p = (${direction})`;
    return html("div", {}, number(key, `α${"₁₂₃"[i]}`), html("p", { class: "ex-note" }, says));
  });
  const parts = [
    html(
      "div",
      { class: "ex-bar" },
      radios("size", "Crop", sizes.map((size) => [size, String(size)])),
      tick("mirror", "mirror"),
      button("Draw at random", random),
      reset(),
    ),
    html(
      "div",
      { class: "ex-crops" },
      html("div", { class: "ex-frame" }, html("p", {}, `the picture, ${side} × ${side}`), picture),
      html("div", { class: "ex-frame" }, html("p", {}, "what the network gets"), result),
    ),
    where,
    html("div", { class: "ex-numbers" }, ...components),
    refusal,
    colours,
    html(
      "div",
      { class: "ex-pair" },
      html(
        "div",
        {},
        html("p", {}, "The ten crops of the test"),
        html("div", { class: "ex-tens", role: "group", "aria-label": "The ten crops of the test" }, ...ten.map(({ one }) => one)),
      ),
      html("div", { class: "ex-scroll" }, table),
    ),
  ];
  const close = () => {
    closed = true;
  };
  return { parts, draw, close };
}

function settle({ side }, { sizes }, lighting, state) {
  const size = sizes.includes(Number(state.size)) ? Number(state.size) : sizes.at(-1);
  const last = side - size;
  const shift = lightingShift(lighting, ALPHAS.map((key) => state[key]));
  const [row, column] = [clamp(state.row, 0, last), clamp(state.column, 0, last)];
  return { ...state, size, row, column, mirror: Boolean(state.mirror), shift };
}

function render({ model, el }) {
  const fixed = ["photograph", "counts", "lighting"].map((key) => model.get(key));
  return mount(
    { model, el },
    {
      name: "augmentation",
      title: "Augmentation",
      settings: ["size", "row", "column", "mirror", ...ALPHAS],
      settle: (state) => settle(...fixed, state),
      build,
    },
  );
}

export default { render };
