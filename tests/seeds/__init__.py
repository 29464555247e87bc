"""Code samples of two published tutorials, as their readers copy them.

The code is the tutorials' own, comments included. What was added: the indentation that the pages
lost, ``...`` where a body is nothing but a comment, imports that a page takes for granted, and
``my_group`` for the placeholder ``<group_name>``.
"""
