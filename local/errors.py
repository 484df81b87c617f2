"""What goes wrong with the local stack, said so that a person can mend it."""


class StackError(Exception):
    """The local stack cannot do what was asked; the message says what was seen and what to do."""
