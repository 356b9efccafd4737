"""What `areas.mpc` compares with: the problems in each solver's form, and the solvers."""
