"""Tests that need no host. Run: PYTHONPATH=src:.lockstep/sdk/python python3 -m unittest discover -s tests"""

import unittest

import plugin  # noqa: F401
from lockstep import {{classes}}, testing
from lockstep.sides import exported


class Sides(unittest.TestCase):
{{tests}}
