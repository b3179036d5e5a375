"""What is recorded: tables and the words their columns hold, nothing else.

Imports nothing: the words are used everywhere, the tables (`models.tables`) hardly anywhere, and mapping them takes a
good part of what a flow's process takes to start.
"""
