// Brings the explorers of a page to life, as anywidget does in a notebook. What the reader changes
// goes into the address, `#shape-calculator?input_size=224&stride=2`, so that it can be passed on.
(() => {
  /** The part of anywidget's model that front ends use. Nothing is behind it but the page. */
  class Model {
    constructor(state) {
      this.state = state;
      this.listeners = new Map();
    }

    get(name) {
      return this.state[name];
    }

    set(name, value) {
      if (Object.is(this.state[name], value)) return;
      this.state[name] = value;
      this.emit(`change:${name}`, value);
      this.emit("change");
    }

    save_changes() {}

    on(name, listener) {
      if (!this.listeners.has(name)) this.listeners.set(name, new Set());
      this.listeners.get(name).add(listener);
    }

    off(name, listener) {
      if (listener) this.listeners.get(name)?.delete(listener);
      else this.listeners.delete(name);
    }

    emit(name, value) {
      for (const listener of this.listeners.get(name) ?? []) listener(value);
    }
  }

  const simple = (value) => ["number", "string", "boolean"].includes(typeof value);

  /** The settings after `#id?` in the address, as the types that the saved state has. */
  function addressed(id, saved) {
    const [name, query] = location.hash.slice(1).split("?");
    const settings = {};
    if (name !== id) return null;
    for (const [key, text] of new URLSearchParams(query ?? "")) {
      const value = { number: Number, boolean: (t) => t === "true", string: String }[
        typeof saved[key]
      ]?.(text);
      if (Object.hasOwn(saved, key) && simple(value) && !Number.isNaN(value)) settings[key] = value;
    }
    return settings;
  }

  /** Scrolls there once all explorers have their height. */
  const arrive = (element) => requestAnimationFrame(() => element.scrollIntoView());

  function mount(element, id) {
    const { explorer } = element.dataset;
    const saved = JSON.parse(element.dataset.state);
    Object.assign(saved, JSON.parse(element.dataset.measured ?? "{}"));
    const model = new Model({ ...saved });
    const still = [...element.childNodes];
    element.replaceChildren();
    try {
      window.explorers[explorer].render({ model, el: element });
    } catch (error) {
      element.replaceChildren(...still);
      reportError(error); // in the console; the page's other explorers go on
      return;
    }
    element.id = id;

    function obeyAddress() {
      const settings = addressed(id, saved);
      if (!settings) return;
      const all = Object.entries(saved).filter(([, value]) => simple(value));
      for (const [key, value] of all) model.set(key, settings[key] ?? value);
      arrive(element);
    }
    obeyAddress();
    window.addEventListener("hashchange", obeyAddress);

    let timer = 0;
    model.on("change", () => {
      clearTimeout(timer); // browsers object to an address that changes at every step of a drag
      timer = setTimeout(() => {
        const query = new URLSearchParams();
        for (const [key, value] of Object.entries(model.state)) {
          if (simple(value) && value !== saved[key]) query.set(key, value);
        }
        const hash = query.size ? `#${id}?${query}` : `#${id}`;
        if (location.hash !== hash) history.replaceState(history.state, "", hash);
      }, 300);
    });
  }

  const seen = {};
  for (const element of document.querySelectorAll(".explorer[data-explorer]")) {
    const name = element.dataset.explorer.replaceAll("_", "-");
    seen[name] = (seen[name] ?? 0) + 1;
    mount(element, seen[name] === 1 ? name : `${name}-${seen[name]}`);
  }
})();
