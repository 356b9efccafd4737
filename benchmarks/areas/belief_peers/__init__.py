"""Set-ups of the belief area: each builds the inputs, optcore and its peers into a trial."""
