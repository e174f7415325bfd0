"""What all explorers share: how they are shown, and how they are saved in a notebook."""

import html
import json

import anywidget
import traitlets

from ...front_end.bundles import front_end, style


class Explorer(anywidget.AnyWidget):
    """A widget whose saved output is enough to bring it to life on a page without Python.

    A subclass sits in `NAME.py` and says `_module = "NAME"`; its front end is `NAME.js` beside it,
    its look `explorer.css`, and the parts in `explorer.js` are shared by all. (The name is no
    keyword of the class: Colab's traitlets takes none.) It implements `still` and `__repr__`. A
    `NAME.css` beside it is its own look.

    The reader's settings are traits of simple types, which the address of a page can carry; data
    that come with the widget are lists and dictionaries, which no address can replace.

    Beside the live view, the output holds `text/html`: an element that names the module and carries
    the state, around a picture of it. On the book's pages `book/_ext/explorers.py` mounts the
    module there; without JavaScript, or where a notebook is only displayed, the picture is what
    the reader sees. The output is the same on every run, so that it can be compared; what a network
    answered is in an attribute of its own, for its last digits depend on the machine.
    """

    _measured: tuple[str, ...] = ()
    """The traits that hold what a network answered."""

    limits = traitlets.Dict().tag(sync=True)
    """Smallest value, largest value and step of each number that has limits, for the front end. The
    step is the trait's tag `step`; without one, 1 for whole numbers and 0, for none, for others."""

    # ipywidgets 7, which Colab has, shows widgets by this method and leaves out all but the view.
    _ipython_display_ = None

    def __init_subclass__(cls, **options):
        if "_module" in vars(cls):  # not where traitlets derives a class, to add a trait
            cls._esm, cls._css = front_end(cls._module), style(cls._module)
        super().__init_subclass__(**options)

    @traitlets.default("limits")
    def _limits(self) -> dict[str, list]:
        return {
            name: [
                trait.min,
                trait.max,
                trait.metadata.get("step", int(isinstance(trait, traitlets.Int))),
            ]
            for name, trait in sorted(self.traits(sync=True).items())
            if isinstance(trait, traitlets.Int | traitlets.Float)
            and trait.min is not None
            and trait.max not in (None, float("inf"))
        }

    def page_state(self) -> dict:
        """The public traits, which are all that the front end reads."""
        return {
            name: getattr(self, name)
            for name, trait in sorted(self.traits(sync=True).items())
            if not name.startswith("_") and trait.this_class not in anywidget.AnyWidget.__mro__
        }

    def still(self) -> str:
        """The current state as an SVG picture that says in words, too, what it shows."""
        raise NotImplementedError

    def page_html(self) -> str:
        """The element that `book/_ext/host.js` mounts the front end in, around the picture."""
        state = self.page_state()
        measured = {name: state.pop(name) for name in self._measured}
        attributes = {"explorer": self._module, "state": _attribute(state)}
        if measured:
            attributes["measured"] = _attribute(measured)
        data = " ".join(f'data-{name}="{value}"' for name, value in attributes.items())
        return (
            f'<div class="explorer" {data}>\n'
            f"{self.still()}\n"
            '<p class="explorer-note">This picture can be moved in the built book, with JavaScript,'
            " and in a notebook once its cell has run.</p>\n</div>"
        )

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        data["text/plain"] = repr(self)
        data["text/html"] = self.page_html()
        return data, metadata


def _attribute(values: dict) -> str:
    return html.escape(json.dumps(values, ensure_ascii=False))
