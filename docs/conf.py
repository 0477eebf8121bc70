"""How Sphinx builds these pages: ``sphinx-build -W --keep-going -b html docs docs/_build/html``."""

import atexit
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# The gallery neither finds nor leaves anything on the machine that builds it.
_scratch = tempfile.TemporaryDirectory(prefix="fishsk-docs-")
atexit.register(_scratch.cleanup)
os.environ["FISHSK_CACHE"] = str(Path(_scratch.name, "cache"))
os.environ["FISHSK_DATA"] = str(Path(_scratch.name, "data"))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import neighbors  # noqa: E402
import site_files  # noqa: E402

import fishsk  # noqa: E402

project = "fishsk"
author = "The fishsk developers"
project_copyright = author
version = release = fishsk.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "myst_parser",
    "sphinxext.opengraph",
    "public_names",
    "fault_table",
    "computed_facts",
    "benchmark_results",
    "dependencies",
    "inherited_methods",
    "neighbors",
    "scikeras_scenarios",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext"}
default_role = "py:obj"
nitpicky = False

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc says them in words
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

# Each inventory is fetched where there is a network, else the one that is written here serves.
intersphinx_mapping = neighbors.write_inventories(Path(_scratch.name))
intersphinx_timeout = 5

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": ["../examples", "../tutorial"],
    "gallery_dirs": ["auto_examples", "auto_tutorial"],
    "filename_pattern": r"/plot_",
    "within_subsection_order": "gallery_order.StoryOrder",
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("fishsk",),
    "download_all_examples": False,
    "image_srcset": ["2x"],
    "capture_repr": ("_repr_html_",),
    "write_computation_times": False,
    "remove_config_comments": True,
    "show_signature": False,
    "parallel": True,  # as many stories at a time as `sphinx-build -j` says
}

URLS = site_files.read_urls()
ogp_site_url = URLS["Documentation"]
ogp_image = f"{ogp_site_url}card.png"
ogp_image_alt = "Drawn fish, and the name fishsk"
ogp_social_cards = {"enable": False}  # one card for all pages

html_theme = "pydata_sphinx_theme"
html_title = "fishsk"
html_baseurl = URLS["Documentation"]
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_extra_path = [str(site_files.write_card(Path(_scratch.name)).parent)]
html_css_files = ["fishsk.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "fishsk", "image_light": "_static/favicon.svg", "image_dark": "_static/favicon.svg"},
    "navbar_align": "left",
    "navbar_end": ["version-switcher", "theme-switcher", "navbar-icon-links"],
    "switcher": {"json_url": "_static/switcher.json", "version_match": release},
    "check_switcher": False,  # it is written with the site
    "search_as_you_type": True,
    "icon_links": [{"name": "Source code", "url": URLS["Repository"], "icon": "fa-solid fa-code-branch"}],
    "use_edit_page_button": True,
    "secondary_sidebar_items": ["page-toc", "edit-this-page"],
    "header_links_before_dropdown": 5,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {
    "edit_page_provider_name": "GitHub",
    "edit_page_url_template": URLS["Repository"]
    + "/edit/main/{% if file_name.startswith('auto_') %}"
    + "{{ file_name[5:].replace('.rst', '.py').replace('index.py', 'GALLERY_HEADER.rst') }}"
    + "{% else %}docs/{{ file_name }}{% endif %}",
}
html_sidebars = {
    page: []
    for page in (
        "index",
        "getting_started",
        "installation",
        "license",
        "report",
        "benchmarks",
        "changes",
        "contributing",
        "architecture",
    )
}
