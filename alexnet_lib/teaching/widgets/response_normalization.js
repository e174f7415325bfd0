// Local response normalization: the channels of one pixel, before and after, and who suppresses whom.
// `normalize` follows the layer in alexnet_lib/layers.py, and the tests compare the two.
import {
  chart,
  clamp,
  html,
  lineKeys,
  math,
  mount,
  onDrag,
  onKeys,
  outline,
  photograph,
  rect,
  significant,
  svg,
  ticks,
} from "./explorer.js";

/** The channels `[from, to)` whose squares are summed for one channel. */
export function neighbours(channel, channels, n, groups) {
  const size = channels / groups;
  const first = Math.floor(channel / size) * size;
  const radius = (n - 1) / 2;
  return [Math.max(channel - radius, first), Math.min(channel + radius + 1, first + size)];
}

/** The sum of squares around each channel; `without` names a channel that is taken for silent. */
function sums(activities, n, groups, without = -1) {
  return activities.map((_, channel) => {
    const [from, to] = neighbours(channel, activities.length, n, groups);
    let sum = 0;
    for (let j = from; j < to; j += 1) sum += j === without ? 0 : activities[j] ** 2;
    return sum;
  });
}

/** b[c] = a[c] / (k + α Σ a[j]²)^β, section 3.3 of the paper. */
export function normalize(activities, { n, k, alpha, beta, groups }) {
  const all = sums(activities, n, groups);
  return activities.map((a, channel) => a / (k + alpha * all[channel]) ** beta);
}

/** The share of its answer that `victim` loses because `by` is active: 0 where it loses nothing. */
export function loss(activities, victim, by, { n, k, alpha, beta, groups }) {
  const [from, to] = neighbours(victim, activities.length, n, groups);
  if (by < from || by >= to) return 0;
  const sum = sums(activities, n, groups)[victim];
  const without = sums(activities, n, groups, by)[victim];
  return 1 - ((k + alpha * without) / (k + alpha * sum)) ** beta;
}

const CONSTANTS = ["n", "k", "alpha", "beta", "groups"];

function build({ id, read, change, data, refusal, say, number, radios, select, reset }) {
  const places = data("activities");
  const fields = data("fields");
  const presets = data("presets");
  const { image } = data("photograph");
  const channels = places[0].length;

  const preset = select(
    "preset",
    "Constants",
    [...Object.entries(presets).map(([key, { label }]) => [key, label]), ["", "my own"]],
    (key) => {
      if (key) change(Object.fromEntries(CONSTANTS.map((name) => [name, presets[key][name]])));
    },
  );
  const groups = radios("groups", "The sums", [
    [1, "cross all channels"],
    [2, "stay in a tower"],
  ]);

  // ---- The photograph and its places ----------------------------------------------------------

  const [here, drawHere] = outline();
  const [dots, drawDots] = outline("ex-dots");
  const photo = photograph(
    1,
    {
      "aria-roledescription": "photograph",
      "aria-label": "The photograph. Arrow keys go to another position.",
      "aria-describedby": `${id}-where`,
    },
    image ? svg("image", { href: image, width: 1, height: 1 }) : rect(0, 0, 1, 1, { class: "ex-blank" }),
    dots,
    here,
  );
  const side = Math.round(Math.sqrt(places.length));
  const square = ([x, y, size]) => `M${x} ${y}h${size}v${size}h${-size}z`;
  const middle = ([x, y, size]) => [x + size / 2, y + size / 2];
  drawDots(fields.map((field) => `M${middle(field)}h0`).join(""));
  const toPlace = (row, column) =>
    change({ place: clamp(row, 0, side - 1) * side + clamp(column, 0, side - 1) });
  onDrag(
    photo,
    () => null,
    (x, y) => {
      const { width, height } = photo.getBoundingClientRect();
      const distance = (field) =>
        Math.hypot(middle(field)[0] - x / width, middle(field)[1] - y / height);
      const distances = fields.map(distance);
      change({ place: distances.indexOf(Math.min(...distances)) });
    },
    true,
  );
  onKeys(photo, () => {
    const { place } = read();
    const [row, column] = [Math.floor(place / side), place % side];
    return {
      ArrowLeft: () => toPlace(row, column - 1),
      ArrowRight: () => toPlace(row, column + 1),
      ArrowUp: () => toPlace(row - 1, column),
      ArrowDown: () => toPlace(row + 1, column),
    };
  });

  // ---- The channels ---------------------------------------------------------------------------

  const bars = svg("svg", {
    class: "ex-channels",
    tabindex: 0,
    role: "slider",
    "aria-label": "Channel",
    "aria-valuemin": 0,
    "aria-valuemax": channels - 1,
  });
  let axes = null;
  const toChannel = (channel) => change({ channel: clamp(channel, 0, channels - 1) });
  onDrag(
    bars,
    () => null,
    (x) => toChannel(Math.floor(((x - axes.left) / axes.wide) * channels)),
    true,
  );
  onKeys(bars, () => lineKeys(read().channel, 0, channels - 1, 1, 10, toChannel));

  function drawBars({ before, after, channel, n, groups: towers }, width) {
    const all = [...before, ...after, 0];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const y = { from: low, to: high * 1.05 || 1, name: "activation" };
    const marks = ticks(0, channels - 1, width < 500 ? 4 : 8);
    const x = { from: -0.5, to: channels - 0.5, ticks: marks, name: "channel" };
    axes = chart(bars, { width, height: 220, x, y });
    const step = axes.wide / channels;
    const bar = (value, at) =>
      `M${(axes.x(at) - step * 0.4).toFixed(2)} ${axes.y(0)}V${axes.y(value).toFixed(2)}h${(step * 0.8).toFixed(2)}V${axes.y(0)}z`;
    const [from, to] = neighbours(channel, channels, n, towers);
    const band = (a, b, name) =>
      rect(axes.x(a - 0.5), 0, axes.x(b - 0.5) - axes.x(a - 0.5), axes.tall, { class: name });
    const seam = axes.x(channels / 2 - 0.5);
    axes.plot.append(
      band(from, to, "ex-band"),
      ...(towers === 2 ? [svg("path", { class: "ex-seam", d: `M${seam} 0V${axes.tall}` })] : []),
      svg("path", { class: "ex-before", d: before.map(bar).join("") }),
      svg("path", { class: "ex-after", d: after.map(bar).join("") }),
      svg("path", { class: "ex-chosen", d: `M${axes.x(channel)} 0V${axes.tall}` }),
    );
  }

  // ---- Words and numbers ----------------------------------------------------------------------

  const result = html("div", { class: "ex-result" });
  const where = html("p", { id: `${id}-where`, class: "ex-note" });
  const caption = html("caption", {});
  const body = html("tbody");
  const head = html("tr");
  const table = html("table", { class: "ex-table" }, caption, html("thead", {}, head), body);
  // As high for 15 neighbours as for one, so that the page does not move under the reader.
  const rest = html("div", { class: "ex-scroll ex-rows", tabindex: 0, role: "region", "aria-label": "Who suppresses whom" }, table);
  const percent = (share) => {
    const hundredths = share * 100;
    if (hundredths === 0) return "0 %";
    return hundredths < 0.1 ? "< 0.1 %" : `${hundredths.toFixed(hundredths < 10 ? 1 : 0)} %`;
  };

  function writeResult({ before, after, channel, k, alpha, beta, sum }) {
    const number = (text) => math("mn", {}, text);
    const sign = (text) => math("mo", {}, text);
    const inside = [sign("("), number(significant(k)), sign("+"), number(significant(alpha))];
    inside.push(sign("·"), number(significant(sum, 4)), sign(")"));
    const divisor = (k + alpha * sum) ** beta;
    const formula = math(
      "math",
      {},
      math(
        "mfrac",
        { displaystyle: "true" },
        number(significant(before[channel])),
        math("msup", {}, math("mrow", {}, ...inside), number(significant(beta))),
      ),
      sign("="),
      math("mfrac", { displaystyle: "true" }, number(significant(before[channel])), number(significant(divisor))),
    );
    result.replaceChildren(
      html("span", {}, `channel ${channel}`),
      formula,
      html("span", {}, "= ", html("strong", {}, significant(after[channel]))),
    );
    say(
      `Channel ${channel}: ${significant(before[channel])} divided by ${significant(divisor)} is ` +
        `${significant(after[channel])}.`,
    );
  }

  function writeTable(state) {
    const { before, after, channel, n, groups: towers } = state;
    const [from, to] = neighbours(channel, channels, n, towers);
    caption.textContent = `Who suppresses whom around channel ${channel}`;
    const columns = ["channel", "before", "after", `loses to ${channel}`, `takes from ${channel}`];
    head.replaceChildren(...columns.map((text) => html("th", { scope: "col" }, text)));
    const rows = Array.from({ length: to - from }, (_, index) => {
      const j = from + index;
      const own = j === channel;
      const cells = [significant(before[j]), significant(after[j])];
      cells.push(before[j] ? percent(loss(before, j, channel, state)) : "–"); // 0 stays 0
      cells.push(before[channel] ? percent(loss(before, channel, j, state)) : "–");
      return html(
        "tr",
        { class: own ? "ex-own" : null },
        html("th", { scope: "row" }, own ? `${j}, itself` : String(j)),
        ...cells.map((text) => html("td", {}, text)),
      );
    });
    body.replaceChildren(...rows);
    const own = rows[channel - from];
    rest.scrollTop = own.offsetTop - (rest.clientHeight - own.offsetHeight) / 2;
  }

  function writeWhere({ before, after, place, k, beta }) {
    const suppressed = before.filter((a, c) => Math.abs(after[c]) < Math.abs(a / k ** beta) / 2).length;
    const spot = fields.length
      ? `Position ${place + 1} of ${places.length}. `
      : "";
    where.replaceChildren(
      `${spot}Where the sum is near 0, a channel is divided by ${significant(k)}`,
      html("sup", {}, significant(beta)),
      ` = ${significant(k ** beta)}; ${suppressed} of ${channels} channels lose more than half of what that would leave them.`,
    );
  }

  const key = html(
    "ul",
    { class: "ex-key" },
    ...[
      ["ex-before", "before"],
      ["ex-after", "after"],
      ["ex-band", "channels in the sum"],
    ].map(([name, text]) =>
      html("li", {}, svg("svg", { width: 16, height: 16, "aria-hidden": "true" }, rect(1, 1, 14, 14, { class: name })), text),
    ),
  );
  const rows = [
    number("n", "n"),
    number("k", "k"),
    number("alpha", "α", { log: true }),
    number("beta", "β"),
    groups,
  ];
  const parts = [
    html("div", { class: "ex-bar ex-row" }, ...preset, reset()),
    html(
      "div",
      { class: fields.length ? "ex-beside" : "" },
      ...(fields.length ? [html("div", { class: "ex-frame" }, photo)] : []),
      html("div", { class: "ex-numbers" }, ...rows),
    ),
    refusal,
    html("div", { class: "ex-frame" }, bars),
    key,
    result,
    rest,
    where,
  ];

  function draw(state, width) {
    if (fields.length) drawHere(square(fields[state.place]));
    drawBars(state, width);
    bars.setAttribute("aria-valuenow", state.channel);
    bars.setAttribute(
      "aria-valuetext",
      `${state.channel}: ${significant(state.before[state.channel])} before, ${significant(state.after[state.channel])} after`,
    );
    writeResult(state);
    writeTable(state);
    writeWhere(state);
  }
  return { parts, draw };
}

function render({ model, el }) {
  const places = model.get("activities");
  const presets = model.get("presets");
  const whole = (value, last) => clamp(Math.round(Number(value)) || 0, 0, last);
  function settle(state) {
    state.groups = Number(state.groups) === 2 && places[0].length % 2 === 0 ? 2 : 1;
    state.place = whole(state.place, places.length - 1);
    state.channel = whole(state.channel, places[0].length - 1);
    const before = places[state.place];
    const same = ([, constants]) => CONSTANTS.every((name) => constants[name] === state[name]);
    const preset = Object.entries(presets).find(same)?.[0] ?? "";
    const sum = sums(before, state.n, state.groups)[state.channel];
    return { ...state, before, after: normalize(before, state), sum, preset };
  }
  return mount(
    { model, el },
    {
      name: "response-normalization",
      title: "Local response normalization",
      settings: [...CONSTANTS, "place", "channel"],
      settle,
      build,
    },
  );
}

export default { render };
