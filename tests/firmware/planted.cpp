/// What firmware must not do; check_symbols.sh must find it.
int* planted() { return new int(3); }
