"""Tests of the tests: bugs that others really had, each of which our tests have to catch."""
