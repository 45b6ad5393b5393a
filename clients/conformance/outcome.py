"""How a point can end other than by being met."""


class Unmet(Exception):
    """The client does not do what the point requires; the text says what was expected."""


class Broken(Exception):
    """The point could not be tested: the driver ended, or did not do what it was told."""
