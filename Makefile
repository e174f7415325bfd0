# Two commands: `make book` builds the book, `make test` proves it. Both set up what they need first.
#
# Every path is relative, so that a folder with a space in its name works. The stamps record what
# has been finished: an interrupted step leaves none and is done again.

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
COLAB := .venv-colab
PYTHON := $(VENV)/bin/python
BOOK := _build/html
# The whole book in one file. The pages offer those that are there (book/_ext/book_pages.py).
PDF := _build/alexnet-layer-by-layer.pdf
EPUB := _build/alexnet-layer-by-layer.epub
SOURCES := _config.yml _toc.yml $(shell find book alexnet_lib/weights alexnet_lib/front_end alexnet_lib/teaching/widgets -type f -not -path '*/.ipynb_checkpoints/*' -not -path '*/__pycache__/*' -not -path '*/.ruff_cache/*')
NOTEBOOKS := $(wildcard book/*.ipynb)
PORT ?= 8000
BUILD = "$(VENV)/bin/jupyter-book" build book --config _config.yml --toc "$$PWD/_toc.yml" -W -n --keep-going --all -q

.PHONY: help book pdf epub serve test test-fast lint dist colab test-colab notebooks weights-report clean distclean

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

$(VENV)/.installed: requirements.txt pyproject.toml .ci/install
	@sh .ci/install

$(COLAB)/.installed: .ci/colab-requirements.txt .ci/install_colab | $(VENV)/.installed
	@sh .ci/install_colab

# What is older than the book is not offered: it is removed with the pages that offered it.
_build/.finished: $(VENV)/.installed $(SOURCES) $(wildcard $(PDF) $(EPUB))
	@echo "Building the book ..."
	@for file in $(wildcard $(PDF) $(EPUB)); do [ -z "$$(find $(SOURCES) -newer $$file)" ] || rm -f $$file; done
	@rm -rf $(BOOK) _build/.doctrees
	@$(BUILD) --path-output . >/dev/null
	@touch $@

$(PDF): $(VENV)/.installed $(SOURCES) .ci/pdf.py .ci/pdf.css
	@sh .ci/browser
	@echo "Printing the book (some minutes) ..."
	@rm -rf _build/pdf
	@$(BUILD) --path-output _build/pdf >/dev/null
	@"$(PYTHON)" .ci/pdf.py _build/pdf/_build/html $@

$(EPUB): $(VENV)/.installed $(SOURCES)
	@echo "Making the EPUB ..."
	@rm -rf _build/epub
	@$(BUILD) --builder custom --custom-builder epub --path-output _build/epub >/dev/null
	@mv _build/epub/_build/epub/*.epub $@

book: _build/.finished  ## build the book into _build/html, executing nothing
	@echo
	@echo "The book: $$("$(PYTHON)" -c 'import pathlib; print(pathlib.Path("$(BOOK)/index.html").resolve().as_uri())')"
	@echo "Open it as it is, or run \`make serve\` for the search as well."

pdf: $(PDF)  ## print the whole book into one PDF, with Chromium; `make book` then offers it

epub: $(EPUB)  ## make an EPUB of the whole book; `make book` then offers it

serve: _build/.finished  ## serve the built book on this machine (PORT=8000)
	@echo "http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)"
	@"$(PYTHON)" -m http.server $(PORT) --bind 127.0.0.1 --directory $(BOOK)

lint: $(VENV)/.installed  ## check style, notebooks included, and the types of the library
	@"$(PYTHON)" -m ruff check .
	@"$(PYTHON)" -m ruff format --check .
	@"$(PYTHON)" -m mypy --no-error-summary

test: lint $(PDF) $(EPUB) _build/.finished  ## style, library, notebooks (executed), pages in a browser
	@sh .ci/browser
	@"$(PYTHON)" -m pytest -n 2 --dist loadgroup -m "not alone"
	@"$(PYTHON)" -m pytest -m alone

test-fast: $(VENV)/.installed  ## two minutes of them: no training, no notebook, no browser
	@"$(PYTHON)" -m pytest -n 2 --dist loadgroup -m "fast and not alone"

dist: $(VENV)/.installed  ## wheel and sdist in dist/, checked, tried in an empty environment
	@sh .ci/dist

colab: $(VENV)/.installed  ## make the notebooks for Colab (BOOK_REPOSITORY_URL=address)
	@"$(PYTHON)" .ci/colab.py

test-colab: $(COLAB)/.installed  ## execute them all with Colab's versions (ten minutes)
	@"$(PYTHON)" -m pytest tests/colab_chapters.py

notebooks: $(VENV)/.installed  ## execute the chapters again and keep their outputs
	@"$(PYTHON)" .ci/execute_notebooks.py $(NOTEBOOKS)

weights-report: $(VENV)/.installed  ## measure the weights (PICTURES=, SHARP=, TRANSFER=name=path)
	@"$(PYTHON)" results/weights_report.py $(if $(PICTURES),--pictures "$(PICTURES)") $(if $(SHARP),--sharp $(SHARP)) $(if $(TRANSFER),--transfer $(TRANSFER))

clean:  ## remove what was built
	@rm -rf _build .pytest_cache .ruff_cache

distclean: clean  ## remove what was installed, too
	@rm -rf $(VENV) $(COLAB)
