"""Mutation testing of the money core: every small change of it that no test notices is explained, or a fault."""
