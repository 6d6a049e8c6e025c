"""The site: pages of this folder, notebooks that run while it is built, a reference from docstrings. No network.

pip install -e ".[docs]" && sphinx-build -W --keep-going docs .cache/site
sphinx-build -W -D nb_execution_mode=off docs .cache/site     # the same without running the notebooks
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).parent / "extensions"))

from attn_jax.version import __version__

project, author, copyright = "attn_jax", "The attn_jax authors", "The attn_jax authors, Apache-2.0"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "beside", "docstrings", "drawn", "measured"]
exclude_patterns = ["extensions", "static", "learn/*.ipynb"]  # the last are what jupytext pairs with the notebooks
templates_path = []

# pages
myst_heading_anchors = 3
myst_links_external_new_tab = False
myst_enable_extensions = ["attrs_block"]
highlight_language = "text"

# notebooks: their text lies here, what they print and draw is made anew
nb_execution_mode = "force"
nb_execution_timeout = 180
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_execution_in_temp = True

# the reference
default_role = "code"  # docstrings are written as Markdown has it
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say what, with shapes
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
napoleon_use_ivar = True

# the look: nothing that would have to be fetched
html_theme = "furo"
html_title = f"attn_jax {version}"
html_static_path = ["static"]
html_css_files = ["site.css", "colours.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
