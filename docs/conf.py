"""Sphinx's settings for the web edition; build_site.py lays out the pages and calls it. Nothing is fetched."""

project = html_title = "ATLAS Lab"
root_doc = "docs/index"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_copy_source = False
html_show_copyright = False

nb_execution_mode = "off"  # the notebooks come executed
# A picture stands beside every widget, and is shown in its place: the widget's state is not stored.
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None), ("html", "image/png", 10)]
nb_ipywidgets_js = {}  # else pages with widgets ask a content network for scripts
nb_merge_streams = True
nb_number_source_lines = False
myst_enable_extensions = []  # dollar signs are those of shells
myst_heading_anchors = 4

autodoc_typehints = "none"  # the docstrings say what things are
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
