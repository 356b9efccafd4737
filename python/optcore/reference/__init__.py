"""The same mathematics in plain NumPy: oracle of the tests, baseline of the speed-ups."""
