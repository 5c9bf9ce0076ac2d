"""Draw the figures of the gallery from its own examples: ``python docs/figures/gallery_figures.py``.

Needs the extra ``plot``. Figures are read without color: what matters is light or dark, or has a marker.
"""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

IMAGES = Path(__file__).parent.parent / "images"
PAGE = Path(__file__).parent.parent / "gallery.md"
STEPS = 61


def examples() -> dict[str, Any]:
    """Run the page and return the names that it leaves behind."""
    test = doctest.DocTestParser().get_doctest(PAGE.read_text(encoding="utf-8"), {}, PAGE.name, str(PAGE), 0)
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test, clear_globs=False)
    return test.globs


def languages(seen: dict[str, Any]) -> Figure:
    """Draw how similar the trigrams of each new sentence are to each language."""
    trigrams, memory = seen["trigrams"], seen["languages"]
    texts = np.stack([trigrams.encode(text) for text in seen["sentences"]])
    similarity = trigrams.vsa.similarity(texts, memory.vectors)
    figure, axes = _axes(5.4, 4.2)
    axes.imshow(similarity, cmap="Greys", vmin=0)
    names = memory.names
    axes.set(xticks=range(len(names)), yticks=range(len(names)), xticklabels=names, yticklabels=names)
    axes.set(xlabel="language", ylabel="new sentence in", title="Similarity of trigrams")
    axes.tick_params(axis="x", rotation=30)
    for row, column in np.ndindex(*similarity.shape):
        value = float(similarity[row, column])
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="w" if value > 0.15 else "k", fontsize=8)
    return figure


def places(seen: dict[str, Any]) -> Figure:
    """Draw the similarity of the room, read with the desk, to every place of it."""
    where, room, things = seen["where"], seen["room"], seen["things"]
    vsa = where.vsa
    x, y = np.linspace(0, 10, STEPS), np.linspace(0, 6, STEPS)
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    similarity = vsa.similarity(vsa.unbind(things["desk"], room), where.encode(grid))
    figure, axes = _axes(6, 3.6)
    image = axes.pcolormesh(x, y, similarity, cmap="Greys", vmin=0, shading="nearest")
    figure.colorbar(image, ax=axes, label="similarity")
    for name, place in (("lamp", (1, 2)), ("desk", (7, 4)), ("door", (3, 5))):
        axes.plot(*place, "wP" if name == "desk" else "kx", markeredgecolor="k", markersize=9)
        axes.annotate(name, place, xytext=(8, -12), textcoords="offset points")
    axes.set(xlabel="x", ylabel="y", title="Where is the desk?")
    return figure


def letters(seen: dict[str, Any]) -> Figure:
    """Draw noisy pictures above what is recalled of them."""
    noisy, recalled = seen["noisy"], seen["recalled"]
    figure = Figure(figsize=(4.5, 3.2), layout="constrained")
    rows = figure.subplots(2, len(noisy))
    for axes, picture in zip(rows.ravel(), [*noisy, *recalled], strict=True):
        axes.imshow(picture.reshape(8, 8), cmap="Greys")
        axes.set(xticks=[], yticks=[])
    rows[0, 0].set_ylabel("seen")
    rows[1, 0].set_ylabel("recalled")
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


FIGURES = {"gallery_languages.png": languages, "gallery_places.png": places, "gallery_letters.png": letters}


def main() -> None:
    """Draw all figures into ``docs/images``."""
    seen = examples()
    for name, draw in FIGURES.items():
        draw(seen).savefig(IMAGES / name, dpi=110)


if __name__ == "__main__":
    main()
