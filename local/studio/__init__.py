"""The studio, an example of an integrator's application: a web page for users and a generation
provider.
"""
