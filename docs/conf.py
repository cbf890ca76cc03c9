"""The documentation as a site: ``nox -s docs`` builds it, with warnings as errors and without a network."""

import os
import warnings

from pygments.lexers.special import TextLexer

import numbakmeans

warnings.filterwarnings("ignore", message="Number of distinct clusters")

project = "numbakmeans"
copyright = "the numbakmeans developers"
author = "the numbakmeans developers"
version = release = numbakmeans.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
if os.environ.get("NUMBAKMEANS_DOCS_ONLINE"):
    # Fetches the other projects' tables of contents.
    extensions.append("sphinx.ext.intersphinx")
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
    "dask": ("https://docs.dask.org/en/stable", None),
}
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autosummary_generate = True
#: What scikit-learn adds by itself, with references into its own documentation.
FOREIGN = (
    "get_metadata_routing",
    "set_fit_request",
    "set_score_request",
    "set_partial_fit_request",
    "set_output",
)
autodoc_default_options = {
    "members": True,
    "inherited-members": True,
    "exclude-members": ", ".join(FOREIGN),
}
autodoc_typehints = "none"  # docstrings say shapes and units

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_.*\.py",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "reference_url": {"numbakmeans": None},
}

html_theme = "pydata_sphinx_theme"
html_title = "numbakmeans"
# Only the rooms with many pages have a list of them beside each.
html_sidebars = {"*": [], "api/*": ["sidebar-nav-bs"], "gallery/*": ["sidebar-nav-bs"]}
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "header_links_before_dropdown": 4,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def setup(app):
    # Pages show the source of their diagrams, which code hosts draw.
    app.add_lexer("mermaid", TextLexer)
