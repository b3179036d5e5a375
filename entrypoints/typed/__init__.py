"""What people can type: the commands, their options and their help texts.

Owns the words only. What a command does is `entrypoints.commands`, imported when it is called, so that
help and errors come at once.
"""
