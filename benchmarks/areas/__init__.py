"""One module per area of comparison; each offers `cases()`."""
