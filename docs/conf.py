"""How the documentation is built: ``make docs``, with every warning an error."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import django
from django.conf import settings

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE / "_ext")]

# Raceway's modules import without settings; Django's user models, which they name, do not.
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"])
django.setup()

project = "Raceway"
author = "The Raceway authors"
copyright = "The Raceway authors"
release = version = installed_version("raceway")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "short_names",
    "differences",
]
# The table is a part of another page.
exclude_patterns = ["_build", "tutorials/code", "explanation/how-fast-table.md"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# What __init__ takes and raises stands in its own docstring.
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_display_short_literal_types = True
# "exclude=()" says more than the repr of what it became.
autodoc_preserve_defaults = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"Raceway {release}"
html_static_path = ["_static"]
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
html_show_sourcelink = False
