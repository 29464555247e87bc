"""A project for the tests of the live server; it reads and writes users, in every kind of code."""
